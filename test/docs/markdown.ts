// What the documents' tests and their writer need to know of Markdown: sections with their tables, fenced blocks, links
// and anchors.

/** A fenced block: its info string, its text, and the line of the document that it begins on. */
export type Fence = { readonly info: string; readonly text: string; readonly line: number };

export function fencesOf(page: string): readonly Fence[] {
  const found: Fence[] = [];
  let open: { readonly info: string; readonly line: number; readonly lines: string[] } | undefined;
  for (const [at, line] of page.split("\n").entries()) {
    const [, info] = /^```(.*)$/.exec(line) ?? [];
    if (info === undefined) open?.lines.push(line);
    else if (open === undefined) open = { info, line: at + 1, lines: [] };
    else {
      found.push({
        info: open.info,
        text: open.lines.map((each) => `${each}\n`).join(""),
        line: open.line,
      });
      open = undefined;
    }
  }
  if (open !== undefined) throw new Error(`the block of line ${open.line} has no end`);
  return found;
}

/** The page without its fenced blocks, where a `#` is no heading and a bracket no link. */
function proseOf(page: string): string {
  return page.replaceAll(/^```[^\n]*\n[\s\S]*?^```$/gm, "");
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(page: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of proseOf(page).matchAll(/^#+ (.+)$/gm)) {
    const name = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-");
    let anchor = name;
    for (let again = 1; anchors.has(anchor); again += 1) anchor = `${name}-${again}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The targets of a page's links, in order. */
export function linksOf(page: string): readonly string[] {
  return [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
}

/** The page before the body of a section, that body up to the next heading, and the rest. */
function splitAt(page: string, heading: string): readonly [string, string, string] {
  const found = [...page.matchAll(/^#+ (.+)\n/gm)].find(([, name]) => name === heading);
  if (found === undefined) throw new Error(`there is no heading "${heading}"`);
  const start = found.index + found[0].length;
  const next = /^#+ /m.exec(page.slice(start));
  const end = next === null ? page.length : start + next.index;
  return [page.slice(0, start), page.slice(start, end), page.slice(end)];
}

const tablePattern = /^\|.*\|(\n\|.*\|)*$/m;

/** The lines of the first table of a section, its head included. */
export function tableUnder(page: string, heading: string): readonly string[] {
  const [, body] = splitAt(page, heading);
  return tablePattern.exec(body)?.[0].split("\n") ?? [];
}

/** The page with these lines as the first table of a section; one without a table gets it at its end. */
export function withTable(page: string, heading: string, lines: readonly string[]): string {
  const [before, body, rest] = splitAt(page, heading);
  const text = lines.join("\n");
  const at = tablePattern.exec(body);
  if (at === null) {
    const prose = body.trim() === "" ? "" : `${body.trimEnd()}\n`;
    return `${before}${prose}\n${text}\n${rest === "" ? "" : "\n"}${rest}`;
  }
  return `${before}${body.slice(0, at.index)}${text}${body.slice(at.index + at[0].length)}${rest}`;
}
