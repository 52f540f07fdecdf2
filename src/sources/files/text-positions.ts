// Offset in a text -> line and column, both counted from 1 and always within the text.

export type Position = { readonly line: number; readonly column: number };

export type TextPositions = { readonly at: (offset: number) => Position };

/** Columns count UTF-16 units, as editors do. Lines end with \n or \r\n. */
export function createTextPositions(text: string): TextPositions {
  const starts: number[] = [0];
  for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", end + 1)) {
    starts.push(end + 1);
  }
  return {
    at(offset) {
      const inside = Math.min(Math.max(offset, 0), text.length);
      let [low, high] = [0, starts.length - 1];
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        if ((starts[middle] ?? 0) <= inside) low = middle;
        else high = middle - 1;
      }
      return { line: low + 1, column: inside - (starts[low] ?? 0) + 1 };
    },
  };
}
