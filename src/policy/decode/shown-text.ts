// How values from outside appear in messages: short, quoted, and ASCII, so that a name can neither break a line nor
// redraw a terminal.

/** Characters of a value that a message repeats. */
const shownLengthMax = 64;

/** `text` as a quoted, escaped, shortened literal. */
export function quoted(text: string): string {
  const cut = text.length > shownLengthMax;
  const literal = toAscii(JSON.stringify(text.slice(0, shownLengthMax)));
  return cut ? `${literal}... (${text.length} characters)` : literal;
}

/** What was found, in a few words: the value where it is short, else its kind. */
export function described(value: unknown): string {
  switch (typeof value) {
    case "string":
      return quoted(value);
    case "number":
      return `the number ${value}`;
    case "boolean":
      return `${value}`;
    case "undefined":
      return "nothing";
    case "object":
      if (value === null) return "null (an empty value)";
      return Array.isArray(value) ? "a list" : "an object";
    default:
      return `a ${typeof value}`;
  }
}

/** Replaces everything but printable ASCII by its escape. Text that is already plain stays as it is. */
export function toAscii(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** `spec.targets[0].weight`, as an author would write it. */
export function formatPath(path: readonly (string | number)[]): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(part)) text += text === "" ? part : `.${part}`;
    else text += `[${quoted(part)}]`;
  }
  return text;
}
