/* Words to sums of what their pieces say. All runs of letters lie inside words, so the pieces of a word are the same in
   every title, and what they add up to is computed when the word is first met, and kept. */
#include "sums.h"

enum { KEY_BYTES = 24 }; /* of a word that is kept: its length and its letters */
enum { LINE = 64, PREFETCHED = 4 }; /* bytes of a cache line; lines of each array, the processor guesses the next */

/* Add one piece to sums. */
static void add_piece(const Model *model, int32_t row, float *restrict sums) {
    int64_t majors = model->bias.size;
    const float *restrict weights = model->weights.at + row * majors;
    float gain = model->gains.at[row], *restrict likelihoods = sums + likelihoods_at(model);
    sums[GAIN] += gain;
    sums[SQUARES] += gain * gain;
    for (int64_t major = 0; major < majors; major++)
        sums[MARGINS + major] += gain * weights[major];
    for (int64_t entry = model->entry_starts.at[row]; entry < model->entry_starts.at[row + 1]; entry++)
        likelihoods[(uint16_t)model->entry_codes.at[entry]] += gain * model->entry_values.at[entry];
}

void add_bucket(const Model *model, int32_t bucket, float *sums) {
    int32_t row = model->rows.at[bucket];
    if (row > 0)
        add_piece(model, row, sums);
}

/* `arrays.Tables.meanings` of one word. */
static int32_t meaning_of(int32_t bucket, uint32_t check, const Model *model) {
    int32_t word = model->words.at[bucket - WORD_BUCKETS];
    return word >= 0 && model->checks.at[word] == check ? word : -1;
}

/* Return the entry of a word, -1 if it is not kept. Another thread may be writing to the table. */
static int64_t find(const WordSums *kept, uint64_t hash, const uint8_t *key) {
    int64_t last = kept->slots.size - 1;
    for (int64_t slot = (int64_t)(hash >> 32) & last;; slot = (slot + 1) & last) {
        int64_t entry = __atomic_load_n(kept->slots.at + slot, __ATOMIC_ACQUIRE) - 1;
        if (entry < 0 || !memcmp(kept->keys.at + entry * KEY_BYTES, key, KEY_BYTES))
            return entry;
    }
}

/* Let other threads find an entry that is complete. Two threads may keep one word twice: both entries are equal. */
static void publish(const WordSums *kept, uint64_t hash, int64_t entry) {
    int64_t last = kept->slots.size - 1, slot = (int64_t)(hash >> 32) & last;
    int32_t empty = 0;
    while (!__atomic_compare_exchange_n(kept->slots.at + slot, &empty, (int32_t)entry + 1, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED)) {
        slot = (slot + 1) & last;
        empty = 0;
    }
}

/* Return a new entry, -1 if there is none left. */
static int64_t next_entry(const WordSums *kept) {
    if (__atomic_load_n(kept->count.at, __ATOMIC_RELAXED) >= kept->meanings.size)
        return -1;
    int64_t entry = __atomic_fetch_add(kept->count.at, 1, __ATOMIC_RELAXED);
    return entry < kept->meanings.size ? entry : -1;
}

/* Fill in the key of a word, and return whether it is short enough to be kept. */
static bool fill_key(const uint8_t *text, const int64_t *bounds, uint8_t key[KEY_BYTES]) {
    int64_t length = bounds[1] - bounds[0];
    bool is_short = length < KEY_BYTES;
    memset(key, 0, KEY_BYTES);
    key[0] = (uint8_t)length;
    memcpy(key + 1, text + bounds[0], is_short ? (size_t)length : 0);
    return is_short;
}

int64_t find_kept(const uint8_t *text, const int64_t *bounds, uint64_t value, const Model *model,
                  const WordSums *kept) {
    uint8_t key[KEY_BYTES];
    int64_t entry = fill_key(text, bounds, key) ? find(kept, mixed(value, KIND_OF_WORD), key) : -1;
    if (entry < 0)
        return -1;
    int64_t meaning = kept->meanings.at[entry];
    const char *sums = (const char *)(kept->sums.at + entry * width_of(model));
    const char *parts = (const char *)(model->word_parts.at + larger(meaning, 0) * 3 * model->hidden_bias.size);
    for (int line = 0; line < PREFETCHED; line++) {
        __builtin_prefetch(sums + line * LINE);
        __builtin_prefetch(parts + line * LINE);
    }
    return entry;
}

WordSum sums_of(const uint8_t *text, int64_t *bounds, uint64_t value, const Model *model, const WordSums *kept,
                const Summing *memory) {
    int64_t width = memory->word.size;
    uint8_t key[KEY_BYTES];
    Block *pieces = (Block *)&memory->pieces;
    cut_words(text, (Bounds){bounds, 1}, &memory->scratch, pieces, 0);
    int32_t bucket = pieces->words.at[0], meaning = meaning_of(bucket, pieces->word_checks.at[0], model);
    bool is_known = meaning >= 0 || model->rows.at[bucket] > 0; /* else texts that are no words could fill the table */
    int64_t entry = fill_key(text, bounds, key) && is_known ? next_entry(kept) : -1;
    float *sums = entry >= 0 ? kept->sums.at + entry * width : memory->word.at;
    memset(sums, 0, (size_t)width * sizeof(float));
    for (int64_t piece = 0; piece < pieces->starts.at[1]; piece++)
        add_bucket(model, pieces->buckets.at[piece], sums);
    if (entry >= 0) {
        kept->meanings.at[entry] = meaning;
        memcpy(kept->keys.at + entry * KEY_BYTES, key, KEY_BYTES);
        publish(kept, mixed(value, KIND_OF_WORD), entry);
    }
    return (WordSum){sums, meaning};
}
