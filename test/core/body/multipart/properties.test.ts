// "Every parser agrees": what is admitted, other parsers divide into the same parts with the same names and values, or
// refuse. undici, busboy and three of Python's parsers read admitted forms made of what parsers quarrel about.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { Readable } from "node:stream";
import { test } from "node:test";
import fc from "fast-check";
import { withPartLengths } from "../../../../src/core/body/multipart/lengths.ts";
import { splitParts } from "../../../../src/core/body/multipart/parts.ts";
import type { ModelToken } from "../../../../src/core/body/reading.ts";
import {
  applyEdits,
  boundary,
  createRandom,
  field,
  file,
  formOf,
  type RandomForm,
  randomForm,
  readForm,
} from "./forms.ts";

const bounds = { interruptAfterTimeLimit: 700, numRuns: 1000 } as const;

type NamedValue = readonly [name: string, value: string];

/** Values as UTF-8, as parsers give them; bytes that are none look alike in all of them. */
type AdmittedForm = RandomForm & {
  readonly model: ModelToken | undefined;
  readonly parts: readonly NamedValue[];
};

function partsOf(bytes: Buffer): readonly NamedValue[] {
  const split = splitParts(bytes, boundary);
  assert.ok(split.ok);
  return split.parts.map(({ name, start, end }) => [name, bytes.toString("utf8", start, end)]);
}

function admittedForms(count: number): readonly AdmittedForm[] {
  const random = createRandom(4711);
  const admitted: AdmittedForm[] = [];
  for (let tried = 0; admitted.length < count && tried < count * 100; tried++) {
    const form = randomForm(random);
    const modelRule = random(4) === 0 ? "same" : "required";
    const reading = readForm(form.bytes, { modelRule });
    if (!reading.ok) continue;
    admitted.push({ ...form, model: reading.model, parts: partsOf(form.bytes) });
  }
  return admitted;
}

const forms = admittedForms(1500);

async function readByUndici({ contentType, bytes }: RandomForm): Promise<readonly NamedValue[]> {
  const headers = { "content-type": contentType };
  const form = await new Response(new Uint8Array(bytes), { headers }).formData();
  const parts: NamedValue[] = [];
  for (const [name, value] of form) {
    parts.push([name, typeof value === "string" ? value : await textOf(value)]);
  }
  return parts;
}

async function textOf(value: Blob): Promise<string> {
  return Buffer.from(await value.arrayBuffer()).toString("utf8");
}

/** Undefined where the parser refuses. */
async function attempt(
  read: (form: RandomForm) => Promise<readonly NamedValue[]>,
  form: RandomForm,
): Promise<readonly NamedValue[] | undefined> {
  try {
    return await read(form);
  } catch {
    return undefined;
  }
}

async function countAgreements(
  read: (form: RandomForm) => Promise<readonly NamedValue[]>,
): Promise<number> {
  let agreed = 0;
  for (const form of forms) {
    const parts = await attempt(read, form);
    assert.deepEqual(parts ?? form.parts, form.parts, form.bytes.toString("latin1"));
    const models = form.parts.filter(([name]) => name === "model").map(([, value]) => value);
    assert.deepEqual(models, form.model === undefined ? [] : [form.model.name]);
    if (parts !== undefined) agreed++;
  }
  return agreed;
}

test("undici reads the same parts in every admitted form", async () => {
  assert.equal(forms.length, 1500);
  // It takes no name without quotes.
  assert.ok((await countAgreements(readByUndici)) > 1000);
});

/** What this file needs of busboy. */
type Busboy = {
  on(event: "field", listener: (name: string, value: string | undefined) => void): Busboy;
  on(event: "file", listener: (name: string, stream: Readable) => void): Busboy;
  on(event: "error", listener: (error: Error) => void): Busboy;
  on(event: "close", listener: () => void): Busboy;
  write(bytes: Uint8Array): boolean;
  end(): void;
};
type CreateBusboy = (options: { readonly headers: Readonly<Record<string, string>> }) => Busboy;

async function findBusboy(): Promise<CreateBusboy | undefined> {
  const name = "busboy";
  try {
    return ((await import(name)) as { readonly default: CreateBusboy }).default;
  } catch {
    return undefined;
  }
}

const createBusboy = await findBusboy();
const skipBusboy =
  createBusboy !== undefined || process.env["CI"] === "true" ? false : "npm install busboy";

/** In two chunks, so that delimiters are cut. */
function readByBusboy({ contentType, bytes }: RandomForm): Promise<readonly NamedValue[]> {
  return new Promise((resolve, reject) => {
    assert.ok(createBusboy !== undefined);
    const parser = createBusboy({ headers: { "content-type": contentType } });
    const parts: (NamedValue | Promise<NamedValue>)[] = [];
    // A field in a charset that busboy does not know has no value.
    parser.on("field", (name, value) => {
      if (value === undefined) reject(new Error("charset"));
      else parts.push([name, value]);
    });
    parser.on("file", (name, stream) => {
      const chunks = Readable.from(stream).toArray() as Promise<Buffer[]>;
      parts.push(chunks.then((all): NamedValue => [name, Buffer.concat(all).toString("utf8")]));
    });
    parser.on("error", reject);
    parser.on("close", () => resolve(Promise.all(parts)));
    const half = bytes.length >> 1;
    parser.write(bytes.subarray(0, half));
    parser.write(bytes.subarray(half));
    parser.end();
  });
}

test("busboy reads the same parts in every admitted form", { skip: skipBusboy }, async () => {
  assert.ok((await countAgreements(readByBusboy)) > 1000);
});

/** Prints each form that one of its parsers reads otherwise, and how many it read. */
const python = `
import base64, email, email.policy, io, json, sys, warnings
warnings.simplefilter("ignore")
try:
    import cgi
except ImportError:
    cgi = None
def by_email(policy):
    def read(type, body):
        whole = email.message_from_bytes(b"Content-Type: " + type.encode() + b"\\r\\n\\r\\n" + body, policy=policy)
        return [(part.get_param("name", header="content-disposition"), part.get_payload(decode=True))
                for part in whole.get_payload()]
    return read
def by_cgi(type, body):
    environ = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": type, "CONTENT_LENGTH": str(len(body))}
    form = cgi.FieldStorage(io.BytesIO(body), environ=environ, keep_blank_values=True, encoding="latin1")
    return [(part.name, part.value if isinstance(part.value, bytes) else part.value.encode("latin1"))
            for part in form.list or []]
parsers = {"email": by_email(email.policy.compat32), "email.http": by_email(email.policy.HTTP)}
if cgi: parsers["cgi"] = by_cgi
read = 0
for line in sys.stdin:
    form = json.loads(line)
    body = base64.b64decode(form["body"])
    wanted = [(name, value) for name, value in form["parts"]]
    read += 1
    for name, parse in parsers.items():
        found = [(name, value.decode("utf8", "replace")) for name, value in parse(form["type"], body)]
        if found != wanted: print(name, body, found)
print("read", read)
`;

const hasPython = spawnSync("python3", ["--version"]).status === 0;
const skipPython = hasPython || process.env["CI"] === "true" ? false : "install python3";

test("Python reads the same parts in every admitted form", { skip: skipPython }, () => {
  // Decoders differ in how many marks stand for bytes that are no UTF-8.
  const some = forms.slice(0, 300);
  const texts = some.filter(({ parts }) => parts.every(([, value]) => !value.includes("\ufffd")));
  const lines = texts.map(({ contentType, bytes, parts }) =>
    JSON.stringify({ type: contentType, body: bytes.toString("base64"), parts }),
  );
  const ran = spawnSync("python3", ["-c", python], { input: lines.join("\n"), encoding: "utf8" });
  assert.equal(ran.stderr, "");
  assert.equal(ran.stdout, `read ${texts.length}\n`);
  assert.ok(texts.length > 250);
});

test("an edited form reads as the new model, and all else stays", async () => {
  let read = 0;
  for (const form of forms) {
    const { bytes, model, parts } = form;
    if (model === undefined) continue;
    const name = `new/${model.name.replace(" ", "-")}`;
    const edit = { offset: model.offset, old: model.name, new: name };
    const edited = applyEdits(bytes, withPartLengths([edit], [model]));
    const wanted = parts.map(([key, value]) => [key, key === "model" ? name : value]);
    assert.deepEqual(partsOf(edited), wanted);
    const found = await attempt(readByUndici, { ...form, bytes: edited });
    assert.deepEqual(found ?? wanted, wanted);
    if (found !== undefined) read++;
  }
  assert.ok(read > 1000);
});

const value = fc
  .uint8Array({ maxLength: 200 })
  .map((bytes) => Buffer.from(bytes).toString("latin1"));
const lines = fc
  .array(fc.constantFrom("\r\n", "\n", "\r", "--", "-", "a", '"', "model", "\0"), { maxLength: 20 })
  .map((all) => all.join(""));
const anyValue = fc.oneof(value, lines);

test("readMultipartBody admits any bytes in a file, before and after the model", () => {
  fc.assert(
    fc.property(anyValue, anyValue, anyValue, (before, text, after) => {
      const body = formOf([
        file("file", before),
        field("prompt", text),
        field("model", "gpt-4o"),
        file("image[]", after),
      ]);
      const reading = readForm(body);
      assert.ok(reading.ok);
      const { offset = 0, length = 0 } = reading.model ?? {};
      assert.equal(body.toString("latin1", offset, offset + length), "gpt-4o");
      assert.deepEqual(
        partsOf(body).map(([name]) => name),
        ["file", "prompt", "model", "image[]"],
      );
    }),
    bounds,
  );
});

test("readMultipartBody never throws, and reads the same bytes the same", () => {
  const start = fc.constantFrom("", `--${boundary}\r\n`, `--${boundary}\r\nContent-Disposition: `);
  fc.assert(
    fc.property(start, anyValue, anyValue, (first, middle, last) => {
      const text = `${first}${middle}\r\n\r\n${last}\r\n--${boundary}--`;
      const body = Buffer.from(text, "latin1");
      const reading = readForm(body, { modelRule: "same" });
      assert.deepEqual(readForm(body, { modelRule: "same" }), reading);
      assert.ok(reading.ok || reading.reason !== undefined);
    }),
    bounds,
  );
});
