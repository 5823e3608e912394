"""Damaged and hostile files and odd options, thrown at the command and at the package.

``python -m fuzz --help`` in the folder ``tests`` says how to throw more of them, or one again.
"""
