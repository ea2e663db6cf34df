"""A search over settings: trials that are kept in a folder, by one process or several.

::

    --search ──space──▶ Plan ──begin──▶ sweep.toml
                                           │ conduct
              work ─ work ─ …  (processes) ◀┴▶ report: sweep.json, sweep.png, best.toml
                │      │
              Study (sweep.db) ── attempt: trial-0001, trial-0002, …

Trials are compared by the validation pictures. The test pictures are looked at once, at the end,
by the best of them.
"""
