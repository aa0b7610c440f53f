// Prints the diagnostics of an AsyncAPI document as JSON: severity 0 error, 1 warning, 2 info.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(`${process.cwd()}/package.json`);
const { Parser } = require("@asyncapi/parser");
const found = await new Parser().validate(readFileSync(0, "utf8"));
console.log(JSON.stringify(found.map(({ severity, path, message }) => ({ severity, path, message }))));
