"""Boards without hardware: one process each, joined by real UDP over the loopback interface."""
