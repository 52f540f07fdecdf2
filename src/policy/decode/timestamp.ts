// RFC 3339 timestamps as Kubernetes writes them, to milliseconds since the epoch. Date.parse alone takes 30 February
// and times without a zone.

const shape =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:Z|([+-])(\d{2}):(\d{2}))$/;

/** Milliseconds since the epoch, or undefined where `text` is no RFC 3339 time with a zone. Never throws. */
export function parseTimestamp(text: string): number | undefined {
  const parts = shape.exec(text);
  if (parts === null) return undefined;
  const numberAt = (at: number): number => Number(parts[at] ?? "0");
  const [year, month, day] = [numberAt(1), numberAt(2), numberAt(3)];
  const [hour, minute, second] = [numberAt(4), numberAt(5), numberAt(6)];
  const [zoneHour, zoneMinute] = [numberAt(9), numberAt(10)];
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59 || zoneHour > 23 || zoneMinute > 59) return undefined;
  const fractionMs = Math.floor(Number(`0.${parts[7] ?? "0"}`) * 1000);
  // Years below 100 would become 19xx in Date.UTC; setUTCFullYear takes them as they are.
  const date = new Date(Date.UTC(2000, month - 1, day, hour, minute, second, fractionMs));
  date.setUTCFullYear(year, month - 1, day);
  const offsetMinutes = (parts[8] === "-" ? -1 : 1) * (zoneHour * 60 + zoneMinute);
  return date.getTime() - offsetMinutes * 60_000;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}
