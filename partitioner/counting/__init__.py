"""Copies counted, not told apart: how many of each layer sit in each die, whichever replica's."""
