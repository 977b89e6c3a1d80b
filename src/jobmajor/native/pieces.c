/* Words to pieces: what `features.bags` computes in numpy, in the same order; a property test compares the two. */
#include "kernels.h"

/* Fill in the length of the longest run from each byte: up to the blank after its word. `reach[0]` is the byte before
   the first word. */
static void fill_reach(Bounds words, int64_t *reach) {
    int64_t base = words.at[0] - 1;
    for (int64_t word = 0; word < words.size; word++) {
        int64_t begin = words.at[2 * word] - base, end = words.at[2 * word + 1] - base;
        reach[begin - 1] = end + 1 - begin;
        for (int64_t position = begin; position < end; position++)
            reach[position] = end + 1 - position;
    }
}

/* Turn the hashes of runs of `length - 1` bytes into those of `length` bytes, and fill in their buckets. */
static inline void lengthen(const uint8_t *restrict text, int64_t size, uint64_t length, uint64_t *restrict values,
                            int32_t *restrict buckets) {
    for (int64_t index = 0; index < size; index++) {
        values[index] = values[index] * BASE + text[index];
        buckets[index] = bucket_of(mixed(values[index], length));
    }
}

/* Write the buckets of the runs of bytes in each word with its blanks, shorter runs first; return where they end. Runs
   that cross words are hashed, too, and then overwritten: that is faster than a check before. */
static int64_t put_runs(const uint8_t *text, Bounds words, const Scratch *scratch, int32_t *buckets, int64_t at) {
    int64_t first = words.at[0] - 1, size = words.at[2 * words.size - 1] - first;
    uint64_t *values = scratch->values.at;
    const int64_t *reach = scratch->reach.at;
    fill_reach(words, scratch->reach.at);
    for (int64_t index = 0; index < size; index++)
        values[index] = text[first + index];
    for (int length = SHORTEST_RUN; length <= LONGEST_RUN; length++) {
        lengthen(text + first + length - 1, size, (uint64_t)length, values, scratch->buckets.at);
        for (int64_t index = 0; index < size; index++) {
            buckets[at] = scratch->buckets.at[index];
            at += reach[index] >= length;
        }
    }
    return at;
}

/* Write a title's pieces to the block: runs, words, pairs of neighbours; then its words alone. */
void cut_words(const uint8_t *text, Bounds words, const Scratch *scratch, Block *block, int64_t title) {
    int64_t at = block->starts.at[title], first_word = block->word_starts.at[title], count = words.size;
    int32_t *buckets = block->buckets.at;
    if (count)
        at = put_runs(text, words, scratch, buckets, at);
    uint64_t before = 0;
    for (int64_t word = 0; word < count; word++) {
        uint64_t value = hash_of(text, words.at[2 * word], words.at[2 * word + 1]), found = mixed(value, KIND_OF_WORD);
        int32_t bucket = bucket_of(found) + WORD_BUCKETS;
        buckets[at + word] = block->words.at[first_word + word] = bucket;
        block->word_checks.at[first_word + word] = check_of(found);
        if (word)
            buckets[at + count + word - 1] = pair_of(before, value);
        before = value;
    }
    block->starts.at[title + 1] = at + count + larger(count - 1, 0);
    block->word_starts.at[title + 1] = first_word + count;
}

/* Write the pieces of the first `count` titles of a block. Tests call this; `sums.c` cuts a word when it first meets it. */
EXPORTED void jm_cut(int64_t count, const Words *words, const Scratch *scratch, Block *block) {
    for (int64_t title = 0; title < count; title++) {
        int64_t begin = words->spans.at[2 * title], end = words->spans.at[2 * title + 1];
        cut_words(words->text.at, (Bounds){words->bounds.at + 2 * begin, end - begin}, scratch, block, title);
    }
}
