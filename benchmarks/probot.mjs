// A Probot application that keeps what it is sent in memory: what benchmarks/intake.py compares the intake with.
// It is started as `probot run` starts one, with its own defaults, in a directory where probot 14 is installed.
import { run } from "probot";

const kept = [];
await run((app) => app.onAny((context) => kept.push(context.id)), { env: process.env });
