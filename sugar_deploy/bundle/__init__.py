"""The offline bundle: the repository, the rendered settings and the tool itself, on a stick or in a folder."""
