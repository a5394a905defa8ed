// The authors that nodemailer's address parser shows. A line in: a JSON array of values; out: one of their addresses.
const parse = require("/usr/share/nodejs/addressparser");
const { createInterface } = require("readline");

const flat = (list) => list.flatMap((entry) => (entry.group ? flat(entry.group) : [entry.address]));

createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(JSON.stringify(JSON.parse(line).map((value) => flat(parse(value)))) + "\n");
});
