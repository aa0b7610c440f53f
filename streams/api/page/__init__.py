"""The live page: its files, as they come in the wheel."""

from streams.api.page.files import File, read_files

__all__ = ["File", "read_files"]
