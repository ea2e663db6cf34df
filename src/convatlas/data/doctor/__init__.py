"""What is wrong with a data set, what that does to training, and a copy without it.

::

    listing ──header, decode──▶ Facts ──copies──▶ checks ──▶ Diagnosis   diagnose
    (``quick`` stops at the header)                  Diagnosis ──plan──▶ fix
"""

from __future__ import annotations

from convatlas.data.doctor.diagnosis import Diagnosis, diagnose
from convatlas.data.doctor.findings import KINDS, SEVERITIES, Case, Finding
from convatlas.data.doctor.fix import fix
from convatlas.data.doctor.plan import REPORT, Plan

__all__ = [
    "KINDS",
    "REPORT",
    "SEVERITIES",
    "Case",
    "Diagnosis",
    "Finding",
    "Plan",
    "diagnose",
    "fix",
]
