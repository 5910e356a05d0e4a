"""Checks of the unmodified official Python client against our server.

`cargo xtask compat` runs this with the addresses of the servers in the environment, and parses the output.
"""

import harness
import operations  # noqa: F401
import polling  # noqa: F401
import streaming  # noqa: F401
import errors  # noqa: F401
import limits  # noqa: F401
import providers  # noqa: F401
import application  # noqa: F401

harness.run()
