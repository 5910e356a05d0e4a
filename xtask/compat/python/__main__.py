"""The official Python client, unmodified, against servers of ours.

Run by `cargo xtask compat`, which says in the environment where they are, and reads what is printed.
"""

import gate
import operations  # noqa: F401
import polling  # noqa: F401
import streaming  # noqa: F401
import errors  # noqa: F401
import limits  # noqa: F401
import chat_completions  # noqa: F401

gate.run()
