"""Exceptions: each is a LacunaError and the built-in exception that Python has for it."""


class LacunaError(Exception):
    """Everything that Lacuna refuses, or that fails in it. Its text is one line."""


class SettingError(LacunaError, ValueError):
    """A setting has a value that makes no sense, or a recipe cannot be read."""


class UnknownSettingError(SettingError, TypeError):
    """A keyword is no setting of the function; the text names the nearest one."""


class PatternError(LacunaError, ValueError):
    """Arrays do not fit together, or cannot be prepared, filled or phased as they are."""


class FileError(LacunaError, OSError):
    """A file cannot be read or written."""


class MissingFileError(FileError, FileNotFoundError):
    """There is no such file."""


class ExistingFileError(FileError, FileExistsError):
    """The output exists already: ``force=True`` replaces it."""


class ContentError(FileError, ValueError):
    """A file does not hold what was expected."""


class ModelError(LacunaError, ValueError):
    """A network cannot be applied to this pattern."""


class NoObjectError(LacunaError, RuntimeError):
    """No run of the phasing gave an object."""


class DeviceError(LacunaError, RuntimeError):
    """A device failed while it computed."""


class OutOfMemoryError(LacunaError, MemoryError):
    """The problem does not fit into memory; it was not begun."""
