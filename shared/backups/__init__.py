"""Backups of the database and its files, made while jobs run, and moves to another database."""

from jobyard.shared.backups.backup import back_up
from jobyard.shared.backups.manifest import Manifest
from jobyard.shared.backups.relocation import Moved, move, named_to
from jobyard.shared.backups.restoration import Restored, restore

__all__ = ["Manifest", "Moved", "Restored", "back_up", "move", "named_to", "restore"]
