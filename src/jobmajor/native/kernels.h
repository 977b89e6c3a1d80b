/* What the compiled functions share: the arrays that Python passes, and the hash of words.

   A struct here has the fields of the named tuple of its name in Python, in the same order; a test compares the two. An
   ARRAY is the memory of a numpy array in C order, with the length of its first dimension. Functions don't check bounds:
   `tests/native` runs them under the address sanitizer. */
#ifndef JOBMAJOR_KERNELS_H
#define JOBMAJOR_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef _WIN32
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

#define ARRAY(type) struct { type *at; int64_t size; }

#define BASE UINT64_C(0x9E3779B97F4A7C15) /* tables.packed.BASE */
#define PAIR UINT64_C(0xC2B2AE3D27D4EB4F) /* features._PAIR */
#define WORD_BUCKETS (1 << 20)            /* linear.features.WORD_BUCKETS */
#define SHORTEST_RUN 2                    /* linear.features.RUN_LENGTHS are 2 to 5 */
#define LONGEST_RUN 5
#define LONGEST 1000 /* tables.packed.LONGEST */
#define TITLE_BYTES (4 * LONGEST + 2)
#define BLOCK_TITLES 128
#define BLOCK_BYTES (32768 + TITLE_BYTES)
#define MENDED_FROM (BLOCK_BYTES + TITLE_BYTES)
#define NO_CODE (-1)
#define BLANK ' '

typedef struct {
    ARRAY(uint8_t) data;
    ARRAY(int64_t) starts;
    ARRAY(uint8_t) clean;
    ARRAY(int64_t) clean_starts;
    ARRAY(int64_t) clean_of;
} Batch;

typedef struct {
    ARRAY(uint8_t) text;
    ARRAY(int64_t) bounds; /* (words, 2) */
    ARRAY(int64_t) spans;  /* (titles, 2) */
    ARRAY(uint8_t) cut;
    ARRAY(int64_t) mended; /* (titles, 2) */
} Words;

typedef struct {
    ARRAY(int64_t) starts;
    ARRAY(int32_t) buckets;
    ARRAY(int64_t) word_starts;
    ARRAY(int32_t) words;
    ARRAY(uint32_t) word_checks;
} Block;

typedef struct { /* for one title, an entry for each of its bytes */
    ARRAY(uint64_t) values;
    ARRAY(int32_t) buckets;
    ARRAY(int64_t) reach;
} Scratch;

typedef struct {
    ARRAY(int32_t) rows;
    ARRAY(float) gains;
    ARRAY(float) weights; /* (rows, majors) */
    ARRAY(float) bias;    /* (majors,) */
    ARRAY(int32_t) entry_starts;
    ARRAY(int16_t) entry_codes;
    ARRAY(float) entry_values;
    ARRAY(float) code_totals;
    ARRAY(int32_t) words;
    ARRAY(uint32_t) checks;
    ARRAY(int8_t) word_parts; /* (words, roles, hidden) */
    ARRAY(float) word_scales; /* (roles, hidden) */
    ARRAY(float) hidden_bias;
} Model;

typedef struct { /* where words of a text begin and end: at[2 * i] and at[2 * i + 1] */
    int64_t *at;
    int64_t size;
} Bounds;

static inline int64_t smaller(int64_t one, int64_t other) { return one < other ? one : other; }
static inline int64_t larger(int64_t one, int64_t other) { return one > other ? one : other; }
static inline bool is_in_word(uint8_t sign) { return (sign >= '0' && sign <= '9') || (sign >= 'a' && sign <= 'z'); }

/* `tables.packed.hashes` of one text. */
static inline uint64_t hash_of(const uint8_t *text, int64_t begin, int64_t end) {
    uint64_t value = 0, power = BASE;
    for (int64_t position = begin; position < end; position++, power *= BASE)
        value += text[position] * power;
    return value;
}

static inline int64_t copied(const uint8_t *from, int64_t begin, int64_t end, uint8_t *to, int64_t at) {
    for (int64_t position = begin; position < end; position++)
        to[at++] = from[position];
    return at;
}

/* `features._mixed`. The kind of a run is its length. */
enum { KIND_OF_WORD = 101, KIND_OF_PAIR = 102 };

static inline uint64_t mixed(uint64_t value, uint64_t kind) {
    value += kind * BASE;
    value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}

/* `features._bucket`, without the offset of the words' buckets. */
static inline int32_t bucket_of(uint64_t value) { return (int32_t)(value & (WORD_BUCKETS - 1)); }
static inline uint32_t check_of(uint64_t value) { return (uint32_t)(value >> 32); }
static inline int32_t pair_of(uint64_t first, uint64_t second) { /* of the hashes of two words */
    return bucket_of(mixed(first * PAIR + second, KIND_OF_PAIR)) + WORD_BUCKETS;
}

/* `pieces.c`: write the pieces of some words of a title to the block. */
void cut_words(const uint8_t *text, Bounds words, const Scratch *scratch, Block *block, int64_t title);

#endif
