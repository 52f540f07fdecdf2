// Names out of Go structs and TypeScript declarations, by patterns that tolerate what they do not know: json tags, and the
// members one level below an exported interface or type.

/** The json names of the structs whose name matches. */
export function goNames(text: string, wanted: RegExp): string[] {
  const found: string[] = [];
  for (const [, name = "", body = ""] of text.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm)) {
    if (!wanted.test(name)) continue;
    for (const [, tag = ""] of body.matchAll(/`[^`]*json:"([^",]+)/g)) {
      if (tag !== "-") found.push(tag);
    }
  }
  return found;
}

/** The members of the interfaces and object types whose name matches, whatever they are nested in. */
export function declaredNames(text: string, wanted: RegExp): string[] {
  const found: string[] = [];
  const heads = /^( *)export (?:interface|type|declare type) ([\w$]+)[^\n{]*\{$/gm;
  for (const head of text.matchAll(heads)) {
    const [line, indent = "", name = ""] = head;
    if (!wanted.test(name)) continue;
    const from = head.index + line.length;
    const end = text.indexOf(`\n${indent}}`, from);
    const body = text.slice(from, end < 0 ? undefined : end);
    const member = new RegExp(`^${indent} {4}(?:readonly )?['"]?([\\w$-]+)['"]?\\??:`, "gm");
    for (const [, each = ""] of body.matchAll(member)) found.push(each);
  }
  return found;
}
