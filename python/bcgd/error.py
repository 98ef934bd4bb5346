# SPDX-License-Identifier: GPL-3.0-or-later


class Error(ValueError):
    """A file or an argument that cannot be used; the message is one line: what, what was expected, what was found."""
