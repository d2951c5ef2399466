"""sugar-deploy: puts Sugar and its school servers to work in real schools."""

__version__ = "0.1.0"
