// The boundary of a form, as its content-type names it: part of what is admitted, before the form is read.

/**
 * The characters that a boundary has in every parser: RFC 2046's without the space, the comma and the parentheses, at
 * which some end it although they stand in quotes, and the apostrophe, which Python's email takes for that of RFC 2231.
 * Without quotes it is a token.
 */
const quotedBoundary = /^boundary="([0-9A-Za-z+_./:=?-]{1,70})"$/;
const tokenBoundary = /^boundary=([0-9A-Za-z+_.-]{1,70})$/;
const utf8Charset = /^charset=(?:"utf-?8"|utf-?8)$/i;

/** The boundary that a content-type header names; undefined when it is not plainly that of a form. */
export function multipartBoundary(contentType: string): string | undefined {
  const [type = "", ...parameters] = contentType.split(";");
  if (trimSpaces(type).toLowerCase() !== "multipart/form-data" || parameters.length > 2) {
    return undefined;
  }
  let boundary: string | undefined;
  let charsets = 0;
  for (const each of parameters) {
    const parameter = trimSpaces(each);
    if (utf8Charset.test(parameter)) {
      charsets++;
      continue;
    }
    const found = quotedBoundary.exec(parameter)?.[1] ?? tokenBoundary.exec(parameter)?.[1];
    if (found === undefined || boundary !== undefined) return undefined;
    boundary = found;
  }
  // One of dashes alone would stand within its own closing line.
  return boundary === undefined || charsets > 1 || /^-+$/.test(boundary) ? undefined : boundary;
}

function trimSpaces(text: string): string {
  return text.replace(/^ +/, "").replace(/ +$/, "");
}
