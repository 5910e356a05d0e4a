// Checks of the unmodified official Node client against our server.
//
// `cargo xtask compat` runs this with the addresses of the servers in the environment, and parses the output.

import { run } from "./harness.mjs";
import "./operations.mjs";
import "./polling.mjs";
import "./streaming.mjs";
import "./errors.mjs";
import "./limits.mjs";
import "./providers.mjs";
import "./application.mjs";

await run();
