"""Composes a model's root file system of the deployment's packages, stage by stage, each kept by its inputs' hash."""

from sugar_deploy.image.compose.build import Composed, composing

__all__ = ["Composed", "composing"]
