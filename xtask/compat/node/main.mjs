// The official Node client, unmodified, against servers of ours.
//
// Run by `cargo xtask compat`, which says in the environment where they are, and reads what is printed.

import { run } from "./gate.mjs";
import "./operations.mjs";
import "./polling.mjs";
import "./streaming.mjs";
import "./errors.mjs";
import "./limits.mjs";
import "./chat_completions.mjs";

await run();
