"""From facts to findings: what is wrong with files, their form, the classes, and copies.

Each check yields a kind and a case at a time.
"""

from __future__ import annotations

from convatlas.data.doctor.checks.classes import check_classes
from convatlas.data.doctor.checks.copies import check_copies
from convatlas.data.doctor.checks.files import check_files
from convatlas.data.doctor.checks.forms import check_forms

__all__ = ["check_classes", "check_copies", "check_files", "check_forms"]
