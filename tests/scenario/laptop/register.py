"""Registers with the school server as Sugar's shell does. Runs on the laptop, in the child's session."""

from jarabe.desktop import schoolserver

assert schoolserver.register_laptop()
