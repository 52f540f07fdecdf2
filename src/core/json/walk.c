// Walks a JSON body in blocks of 64 bytes and admits what is strict JSON without doubt; anything else it gives up on, and
// the TypeScript scanner (plain.ts) then judges that body alone. So it never refuses, and never says why or where.
// Compiled to WebAssembly by test/core/json/write-walk.ts; simd.ts feeds it, window by window.
//
// What it admits, it admits for these reasons. Every byte outside of strings is white space, a structural byte that the
// state machine was shown, or part of a run that began with an event and that `is_scalar` read to its end. Every
// byte within a string is no control byte, and every backslash begins a whole escape. UTF-8 is checked beforehand.
// Keys of one object differ because their hashes do; where two hashes are alike it gives up.

#include <wasm_simd128.h>

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

enum {
  window_length = 65536,  // A window of the body; a multiple of 64.
  ahead_length = 1024,    // What follows it: a number or a key is read to its end where it begins.
  number_length_max = 512,
  key_length_max = 512,
  depth_max = 64,
  noted_depth_max = 4,
  noted_max = 4096,
  long_text_bytes = 256,
  no_text = -1,
  keys_max = 256,  // An object with more keys is given up on.
};

// Read and written by simd.ts at the addresses that the module exports.
u8 window[window_length + ahead_length + 64] __attribute__((aligned(64)));
u32 noted_starts[noted_max];
u32 noted_ends[noted_max];
u8 noted_depths[noted_max];
u32 text_starts[noted_max];
u32 text_ends[noted_max];
struct { u32 key_start, key_length, hash, separator; } members[keys_max];
struct { u32 members, noted, texts; } counts;

enum state {
  expects_root,
  expects_value,
  expects_value_or_end,
  expects_key,
  expects_key_or_end,
  expects_colon,
  expects_comma_or_end,
  expects_nothing,
};

// What is carried from block to block.
struct reader {
  // Of the block before: all bits or none, the lowest bit, the four lowest, the lowest.
  u64 in_string, next_is_escaped, hex_wanted, ends_in_scalar;
  u64 is_object;  // One bit for each open container, the innermost lowest.
  u32 state, depth;
  u32 top;     // How many hashes are on the stack.
  u32 member;  // How many top-level members are whole.
  u32 text;    // Where the last value that is a string began, or no_text: a key has come since, or it is too deep to note.
};

// It is copied into a local one while a window is walked, so that it lives in registers.
static struct reader kept;
static u32 is_text;
static u64 seed;
// The hashes of the keys of all open objects, and of each the first one and a filter of those that it may hold.
static u32 hashes[depth_max * keys_max + 4];
static u32 bases[depth_max + 1];
static u64 filters[depth_max + 1];
static u32 open_noted[noted_depth_max + 1];

// 16 bytes from `16 - n` on keep the first n bytes of a vector.
static const u8 keep[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                            255, 255, 255, 255, 255, 0,   0,   0,   0,   0,   0,
                            0,   0,   0,   0,   0,   0,   0,   0,   0,   0};

typedef struct { v128_t at[4]; } block;

#define INLINE static inline __attribute__((always_inline))

INLINE v128_t load(const u8 *at) { return wasm_v128_load(at); }
INLINE v128_t splat(u8 byte) { return wasm_i8x16_splat((signed char)byte); }
INLINE v128_t is(v128_t bytes, u8 byte) { return wasm_i8x16_eq(bytes, splat(byte)); }
// "At most" is half the instructions of "less than".
INLINE v128_t below(v128_t bytes, u8 limit) { return wasm_u8x16_le(bytes, splat(limit - 1)); }
INLINE v128_t either(v128_t a, v128_t b) { return wasm_v128_or(a, b); }
// A byte at which the plain part of a string ends: a backslash, or one that is at most a space once a quote has been made
// one and a space a quote.
INLINE v128_t ends_plain(v128_t bytes) {
  return either(is(bytes, '\\'), below(wasm_v128_xor(bytes, splat('"' ^ ' ')), ' ' + 1));
}

// A word of 64 bits, one for each byte of a block for which `test`, an expression in `v`, holds.
#define MASK(b, test)                                                     \
  ({                                                                      \
    u64 mask = 0;                                                         \
    _Pragma("unroll") for (int part = 0; part < 4; part++) {              \
      v128_t v = (b).at[part];                                            \
      mask |= (u64)(u32)wasm_i8x16_bitmask(test) << (16 * part);          \
    }                                                                     \
    mask;                                                                 \
  })

INLINE v128_t is_space(v128_t v) {
  const v128_t spaces = wasm_i8x16_const(0x20, -1, -1, -1, -1, -1, -1, -1, -1, 0x09, 0x0a, -1, -1,
                                         0x0d, -1, 0);
  return wasm_i8x16_eq(v, wasm_i8x16_swizzle(spaces, wasm_v128_and(v, splat(15))));
}

// One of , : [ ] { }. Also FF and SUB, which no state expects.
INLINE v128_t is_structural(v128_t v) {
  const v128_t marks = wasm_i8x16_const(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0x3a, 0x7b, 0x2c,
                                        0x7d, -1, 0);
  v128_t mark = wasm_i8x16_swizzle(marks, wasm_v128_and(v, splat(15)));
  return wasm_i8x16_eq(either(v, splat(0x20)), mark);
}

// One of the eight letters that are a whole escape after a backslash, by a bit that its two halves have in common: 1 for
// " and /, 2 for \\, 4 for b f n, 8 for r t.
INLINE v128_t is_escape_letter(v128_t v) {
  const v128_t low = wasm_i8x16_const(0, 0, 13, 0, 8, 0, 4, 0, 0, 0, 0, 0, 2, 0, 4, 1);
  const v128_t high = wasm_i8x16_const(0, 0, 1, 0, 0, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0);
  v128_t both = wasm_v128_and(wasm_i8x16_swizzle(low, wasm_v128_and(v, splat(15))),
                              wasm_i8x16_swizzle(high, wasm_u8x16_shr(v, 4)));
  return wasm_i8x16_ne(both, splat(0));
}

INLINE v128_t is_hex(v128_t v) {
  v128_t letter = wasm_i8x16_sub(either(v, splat(0x20)), splat('a'));
  return either(below(wasm_i8x16_sub(v, splat('0')), 10), below(letter, 6));
}

INLINE int is_digit(u8 byte) { return (u8)(byte - '0') < 10; }

INLINE const u8 *past_digits(const u8 *at) {
  for (;; at += 16) {
    v128_t v = load(at);
    u32 others = ~(u32)wasm_i8x16_bitmask(below(wasm_i8x16_sub(v, splat('0')), 10)) & 0xffff;
    if (others != 0) return at + __builtin_ctz(others);
  }
}

INLINE int ends_scalar(u8 byte) {
  return byte == ',' || byte == ']' || byte == '}' || byte == ' ' || byte == '\n' || byte == '\r' ||
         byte == '\t';
}

INLINE int is_word(const u8 *at, u32 word) {
  return (at[0] | at[1] << 8 | at[2] << 16 | (u32)at[3] << 24) == word;
}

// Whether the run that begins at `start` is a number, true, false or null and nothing more. What follows a window stops
// every loop: body, or spaces.
INLINE int is_scalar(const u8 *start) {
  const u8 *at = start;
  if (*at > '9') {
    if (is_word(at, 0x65757274) || is_word(at, 0x6c6c756e)) return ends_scalar(at[4]);  // true, null
    return is_word(at, 0x736c6166) && at[4] == 'e' && ends_scalar(at[5]);  // false
  }
  if (*at == '-') at++;
  if (!is_digit(*at)) return 0;
  at = *at == '0' ? at + 1 : past_digits(at + 1);
  if (*at == '.') {
    if (!is_digit(at[1])) return 0;
    at = past_digits(at + 2);
  }
  if ((*at | 0x20) == 'e') {
    at++;
    if (*at == '+' || *at == '-') at++;
    if (!is_digit(*at)) return 0;
    at = past_digits(at + 1);
  }
  return at - start <= number_length_max && ends_scalar(*at);
}

INLINE u64 mixed(u64 hash, u64 word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
  return hash ^ (hash >> 32);
}

// Adds the key whose quote stands at `at` to the innermost object; 0 to give up.
INLINE int add_key(struct reader *r, const u8 *at, u32 offset) {
  const u8 *text = at + 1;
  u64 hash = seed;
  u32 length = 0;
  u32 not_ascii = 0;
  u32 marks = 0;  // Where "!" stands, which no key of sanitised text may hold.
  for (;;) {
    v128_t v = load(text + length);
    u32 stops = (u32)wasm_i8x16_bitmask(ends_plain(v));
    u32 count = stops == 0 ? 16 : (u32)__builtin_ctz(stops);
    v = wasm_v128_and(v, load(keep + 16 - count));
    hash = mixed(hash, (u64)wasm_i64x2_extract_lane(v, 0));
    hash = mixed(hash, (u64)wasm_i64x2_extract_lane(v, 1));
    not_ascii |= (u32)wasm_i8x16_bitmask(v);
    if (is_text) marks |= (u32)wasm_i8x16_bitmask(is(v, '!'));
    length += count;
    if (stops != 0) break;
    if (length > key_length_max) return 0;
  }
  if (text[length] != '"' || marks != 0) return 0;
  hash = mixed(hash, length);
  u32 base = bases[r->depth];
  u32 count = r->top - base;
  if (count >= keys_max) return 0;
  u32 short_hash = (u32)hash;
  u64 bit = 1ull << (short_hash >> 26);
  if ((filters[r->depth] & bit) != 0) {
    u32 each = base;
    v128_t found = splat(0);
    v128_t wanted = wasm_i32x4_splat((int)short_hash);
    for (; each + 4 <= r->top; each += 4) {
      found = either(found, wasm_i32x4_eq(load((const u8 *)(hashes + each)), wanted));
    }
    if (wasm_v128_any_true(found)) return 0;
    for (; each < r->top; each++) {
      if (hashes[each] == short_hash) return 0;
    }
  }
  filters[r->depth] |= bit;
  hashes[r->top++] = short_hash;
  if (r->depth == 1) {
    if (not_ascii != 0) return 0;
    members[count].key_start = offset;
    members[count].key_length = length;
    members[count].hash = short_hash;
  }
  return 1;
}

INLINE void note_open(u32 depth, u32 offset) {
  if (depth > noted_depth_max) return;
  open_noted[depth] = counts.noted;
  if (counts.noted == noted_max) return;
  noted_starts[counts.noted] = offset;
  noted_depths[counts.noted] = (u8)depth;
  counts.noted++;
}

INLINE void note_close(u32 depth, u32 end) {
  if (depth <= noted_depth_max && open_noted[depth] < noted_max) noted_ends[open_noted[depth]] = end;
}

// A long string spans blocks: it ends at the first quote of a block that began within it.
INLINE void note_text(struct reader *r, u32 end) {
  if (r->text == (u32)no_text || end - r->text <= long_text_bytes) return;
  if (counts.texts == noted_max) return;
  text_starts[counts.texts] = r->text;
  text_ends[counts.texts] = end;
  counts.texts++;
}

// Takes the next event of the block, or leaves the state as it is for the next block.
#define NEXT_EVENT()                    \
  if (events == 0) return 1;            \
  place = (u32)__builtin_ctzll(events); \
  events &= events - 1;                 \
  at = bytes + place;                   \
  byte = *at

// Shows the events of one block to the state machine; 0 to give up. One turn reads what most often comes in a row: a comma,
// a key, a colon, a value.
INLINE int read_events(struct reader *r, u64 events, const u8 *bytes, u32 offset) {
  for (;;) {
    u32 place;
    const u8 *at;
    u8 byte;
    NEXT_EVENT();
    switch (r->state) {
      case expects_comma_or_end:
        if (r->depth == 1) members[r->member++].separator = offset + place;
        if (byte != ',') goto close;
        if ((r->is_object & 1) == 0) {
          r->state = expects_value;
          NEXT_EVENT();
          goto value;
        }
        r->state = expects_key;
        NEXT_EVENT();
        goto key;
      case expects_key_or_end:
        if (byte == '}') goto close;
        goto key;
      case expects_key:
      key: {
        if (byte != '"') return 0;
        if (!add_key(r, at, offset + place)) return 0;
        r->text = no_text;
        r->state = expects_colon;
        NEXT_EVENT();
      }
        // Falls through.
      case expects_colon:
        if (byte != ':') return 0;
        r->state = expects_value;
        NEXT_EVENT();
        goto value;
      case expects_root:
        if (byte != '{') return 0;
        goto open;
      case expects_value_or_end:
        if (byte == ']') goto close;
        goto value;
      case expects_value:
      value:
        if (byte == '{' || byte == '[') goto open;
        r->state = expects_comma_or_end;
        if (byte == '"') {
          r->text = r->depth <= noted_depth_max ? offset + place : (u32)no_text;
        } else if (!is_scalar(at)) {
          return 0;
        }
        break;
      default:
        return 0;
    }
    continue;
  open:
    if (r->depth == depth_max) return 0;
    r->depth++;
    note_open(r->depth, offset + place);
    r->is_object = r->is_object << 1 | (byte == '{');
    r->state = byte == '{' ? expects_key_or_end : expects_value_or_end;
    bases[r->depth] = r->top;
    filters[r->depth] = 0;
    continue;
  close:
    if (byte != ((r->is_object & 1) != 0 ? '}' : ']')) return 0;
    note_close(r->depth, offset + place + 1);
    r->top = bases[r->depth];
    r->is_object >>= 1;
    r->depth--;
    r->state = r->depth == 0 ? expects_nothing : expects_comma_or_end;
  }
}

// The bytes that backslashes escape: of each run of backslashes the second, the fourth and so on, and the byte after a run
// of an odd number. The subtraction finds them without a loop: it borrows through the whole run, from where it starts,
// so that what is left tells every second byte of it whether it starts at an odd place or at an even one.
INLINE u64 escaped_by(struct reader *r, u64 backslashes) {
  const u64 odd = 0xaaaaaaaaaaaaaaaaull;
  u64 runs = backslashes & ~r->next_is_escaped;
  u64 alternate = (((runs << 1) | odd) - runs) ^ odd;
  u64 escaped = alternate ^ (backslashes | r->next_is_escaped);
  r->next_is_escaped = (alternate & backslashes) >> 63;
  return escaped;
}

INLINE u64 prefix_xor(u64 bits) {
  bits ^= bits << 1;
  bits ^= bits << 2;
  bits ^= bits << 4;
  bits ^= bits << 8;
  bits ^= bits << 16;
  return bits ^ (bits << 32);
}

// Where the first block stands, from `at` on, that is not all plain; for within a string.
INLINE u32 past_plain(u32 at, u32 length) {
  for (; at < length; at += 64) {
    const u8 *bytes = window + at;
    v128_t stops = either(either(ends_plain(load(bytes)), ends_plain(load(bytes + 16))),
                          either(ends_plain(load(bytes + 32)), ends_plain(load(bytes + 48))));
    if (wasm_v128_any_true(stops)) break;
  }
  return at;
}

// Reads one block; 0 to give up.
INLINE int read_block(struct reader *r, const u8 *bytes, u32 offset) {
  block b = {{load(bytes), load(bytes + 16), load(bytes + 32), load(bytes + 48)}};
  u64 quotes = MASK(b, is(v, '"'));
  u64 backslashes = MASK(b, is(v, '\\'));
  if ((backslashes | r->next_is_escaped | r->hex_wanted) != 0) {
    u64 escaped = escaped_by(r, backslashes);
    quotes &= ~escaped;
    u64 units = escaped & ~MASK(b, is_escape_letter(v));
    if ((units | r->hex_wanted) != 0) {
      u64 hex = r->hex_wanted | units << 1 | units << 2 | units << 3 | units << 4;
      r->hex_wanted = units >> 63 | units >> 62 | units >> 61 | units >> 60;
      if ((units & ~MASK(b, is(v, 'u'))) != 0 || (hex & ~MASK(b, is_hex(v))) != 0) return 0;
    }
  }
  u64 controls = MASK(b, below(v, 0x20));
  if (quotes == 0 && r->in_string != 0) return controls == 0;
  if (r->in_string != 0) note_text(r, offset + (u32)__builtin_ctzll(quotes) + 1);
  u64 strings = prefix_xor(quotes) ^ r->in_string;
  r->in_string = (u64)((long long)strings >> 63);
  if ((controls & strings) != 0) return 0;
  u64 structural = MASK(b, is_structural(v)) & ~strings;
  u64 scalars = ~(structural | MASK(b, is_space(v)) | strings | quotes);
  u64 events = structural | (quotes & strings) | (scalars & ~(scalars << 1 | r->ends_in_scalar));
  r->ends_in_scalar = scalars >> 63;
  return read_events(r, events, bytes, offset);
}

// Begins on another body.
__attribute__((export_name("begin"))) void begin(u32 hash_seed, u32 text) {
  kept = (struct reader){.state = expects_root, .text = no_text};
  is_text = text;
  seed = (hash_seed + 1ull) * 0xd6e8feb86659fd93ull;
  counts.noted = counts.texts = 0;
  for (u32 at = window_length + ahead_length; at < sizeof window; at++) window[at] = ' ';
}

// Reads the blocks that hold the first `length` bytes of the window, which stand at `offset` in the body; 0 to give up.
__attribute__((export_name("walk"))) int walk(u32 length, u32 offset) {
  struct reader r = kept;
  for (u32 at = 0; at < length; at += 64) {
    if (r.in_string != 0 && (r.next_is_escaped | r.hex_wanted) == 0) {
      at = past_plain(at, length);
      if (at >= length) break;
    }
    if (!read_block(&r, window + at, offset + at)) return 0;
  }
  kept = r;
  return 1;
}

// Whether the body that was walked to its end is whole.
__attribute__((export_name("is_whole"))) int is_whole(void) {
  counts.members = kept.member;
  return kept.state == expects_nothing && kept.in_string == 0;
}
