"""Small files that the project made or states as facts; nothing here is downloaded."""
