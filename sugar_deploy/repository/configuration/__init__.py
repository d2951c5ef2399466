"""Packages generated from the deployment file: with them a machine knows its deployment without any Ansible."""

from sugar_deploy.repository.configuration.generate import configuration_debs

__all__ = ["configuration_debs"]
