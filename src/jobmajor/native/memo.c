/* The memo's hash table: hash titles, look up answers and spread them over rows. `tables/memo_table.py` has the same
   functions in Python. */
#include "kernels.h"

typedef struct { /* what `jm_find` reads and fills; see `tables.memo_table.find` */
    ARRAY(uint64_t) keys;    /* (rows, 2) */
    ARRAY(uint64_t) table;   /* (slots, 2 + words) */
    ARRAY(uint64_t) answers; /* (rows, words) */
    ARRAY(int32_t) seen;
    ARRAY(int32_t) indices;
    ARRAY(int32_t) firsts;
    int64_t words;
} Lookup;

static uint64_t turned(uint64_t value, int by) { return value << by | value >> (64 - by); }

static uint64_t finished(uint64_t value) {
    value = (value ^ value >> 33) * UINT64_C(0xFF51AFD7ED558CCD);
    value = (value ^ value >> 33) * UINT64_C(0xC4CEB9FE1A85EC53);
    return value ^ value >> 33;
}

/* Write the key of each title, (titles, 2); the first half is never 0. Words of 8 bytes go through the two halves of
   MurmurHash3's 128 bits. Source: Appleby, A., MurmurHash3 (public domain), MurmurHash3_x64_128. */
EXPORTED void jm_hash_titles(const uint8_t *data, const int64_t *starts, int64_t count, uint64_t *keys) {
    const uint64_t first = UINT64_C(0x87C37B91114253D5), second = UINT64_C(0x4CF5AD432745937F);
    for (int64_t title = 0; title < count; title++) {
        int64_t begin = starts[title], end = starts[title + 1];
        uint64_t one = UINT64_C(0x9368E53C2F6AF274), two = UINT64_C(0x586DCD208F7CD3FD), size = (uint64_t)(end - begin);
        for (int64_t at = begin; at < end; at += 8) {
            uint64_t word = 0;
            for (int64_t step = 0; step < smaller(8, end - at); step++)
                word |= (uint64_t)data[at + step] << (8 * step);
            one ^= turned(word * first, 31) * second;
            one = (turned(one, 27) + two) * 5 + 0x52DCE729;
            two ^= turned(word * second, 33) * first;
            two = (turned(two, 31) + one) * 5 + 0x38495AB5;
        }
        one ^= size;
        two ^= size;
        one += two;
        two += one;
        one = finished(one);
        two = finished(two);
        one += two;
        two += one;
        keys[2 * title] = one | 1;
        keys[2 * title + 1] = two;
    }
}

/* Return the slot of a key, or the empty slot where it would go. */
static int64_t slot_of(const Lookup *memo, uint64_t one, uint64_t two) {
    int64_t slots = memo->table.size, width = 2 + memo->words;
    int64_t slot = (int64_t)(((one >> 32) * (uint64_t)slots) >> 32);
    for (;; slot = slot + 1 < slots ? slot + 1 : 0) {
        const uint64_t *key = memo->table.at + slot * width;
        if (key[0] == 0 || (key[0] == one && key[1] == two))
            return slot;
    }
}

/* Return how many different titles the table does not know. */
EXPORTED int64_t jm_find(Lookup *memo) {
    int64_t words = memo->words, rows = memo->indices.size, mask = memo->seen.size - 1, count = 0;
    size_t size = (size_t)words * sizeof(uint64_t);
    int32_t *seen = memo->seen.at, *firsts = memo->firsts.at;
    for (int64_t row = 0; row < rows; row++) {
        const uint64_t *key = memo->keys.at + 2 * row;
        const uint64_t *known = memo->table.at + slot_of(memo, key[0], key[1]) * (2 + words);
        if (known[0] != 0) {
            memo->indices.at[row] = -1;
            memcpy(memo->answers.at + row * words, known + 2, size);
            continue;
        }
        int64_t local = (int64_t)(key[1] & (uint64_t)mask);
        for (; seen[local] >= 0; local = (local + 1) & mask) {
            const uint64_t *other = memo->keys.at + 2 * (int64_t)firsts[seen[local]];
            if (other[0] == key[0] && other[1] == key[1])
                break;
        }
        if (seen[local] < 0) {
            seen[local] = (int32_t)count;
            firsts[count++] = (int32_t)row;
        }
        memo->indices.at[row] = seen[local];
    }
    return count;
}

/* Insert the answers `fresh`, (titles, words), of the titles in the rows `firsts`, as long as `count` lasts. */
EXPORTED void jm_insert(Lookup *memo, const uint64_t *fresh, int64_t count) {
    int64_t words = memo->words;
    for (int64_t title = 0; title < count; title++) {
        const uint64_t *key = memo->keys.at + 2 * (int64_t)memo->firsts.at[title];
        uint64_t *slot = memo->table.at + slot_of(memo, key[0], key[1]) * (2 + words);
        slot[0] = key[0];
        slot[1] = key[1];
        memcpy(slot + 2, fresh + title * words, (size_t)words * sizeof(uint64_t));
    }
}

/* Write the answers of the unknown titles to their rows. */
EXPORTED void jm_spread_answers(Lookup *memo, const uint64_t *fresh) {
    int64_t words = memo->words;
    for (int64_t row = 0; row < memo->indices.size; row++) {
        int64_t index = memo->indices.at[row];
        if (index >= 0)
            memcpy(memo->answers.at + row * words, fresh + index * words, (size_t)words * sizeof(uint64_t));
    }
}

/* Copy the titles of some rows, one after another. */
EXPORTED void jm_pick(const uint8_t *data, const int64_t *starts, const int64_t *rows, int64_t count, uint8_t *picked,
                      int64_t *picked_starts) {
    int64_t at = picked_starts[0] = 0;
    for (int64_t title = 0; title < count; title++) {
        at = copied(data, starts[rows[title]], starts[rows[title] + 1], picked, at);
        picked_starts[title + 1] = at;
    }
}
