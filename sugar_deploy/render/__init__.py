"""Plan → a self-contained Ansible project."""
