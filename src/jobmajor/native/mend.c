/* Clean words to the words that a model reads: what `titles.without_rank` and `spelling.read` do in Python, which a
   property test holds this file to. */
#include <float.h>

#include "kernels.h"

typedef struct {
    ARRAY(int32_t) rows;
    ARRAY(int32_t) words;
    ARRAY(uint32_t) checks;
    ARRAY(float) gains;
} Vocabulary;

typedef struct { /* some words of a text */
    const uint8_t *text;
    int64_t *bounds;
    int64_t count;
} Span;

enum { LETTERS = 26, SHORTEST_MENDED = 4, LONGEST_MENDED = 24 }; /* spelling.SHORTEST, spelling.LONGEST */
static const char *const RANKS[] = {"senior", "junior", "i", "ii", "iii", "iv", "v", "1", "2", "3", "4", "5"};
enum { ALL_RANKS = 12, LEADING_RANKS = 2, LONGEST_RANK = 6 }; /* the leading ones may also begin a title */
#define INVERSE UINT64_C(0xF1DE83E19937733D) /* INVERSE * BASE is 1 modulo 2**64 */

/* Return the index of a word in RANKS, or -1. */
static int rank_of(const uint8_t *word, int64_t length) {
    for (int rank = 0; rank < ALL_RANKS && length <= LONGEST_RANK; rank++) {
        const char *name = RANKS[rank];
        if ((uint8_t)name[0] == word[0] && (int64_t)strlen(name) == length && !memcmp(name, word, (size_t)length))
            return rank;
    }
    return -1;
}

static int rank_at(Span span, int64_t word) {
    int64_t begin = span.bounds[2 * word];
    return rank_of(span.text + begin, span.bounds[2 * word + 1] - begin);
}

/* Narrow a span to the words that `without_rank` keeps; `is_cut` is as in `Words`. */
static Span between_ranks(Span span, bool is_cut) {
    int64_t first = 0, last = span.count;
    for (; first < last - 1; first++) {
        int rank = rank_at(span, first);
        if (rank < 0 || rank >= LEADING_RANKS)
            break;
    }
    while (last > first + 1 && !is_cut && rank_at(span, last - 1) >= 0)
        last--;
    return (Span){span.text, span.bounds + 2 * first, last - first};
}

static bool is_strange(uint64_t value, const Vocabulary *known) {
    uint64_t found = mixed(value, KIND_OF_WORD);
    int32_t bucket = bucket_of(found);
    if (known->rows.at[bucket + WORD_BUCKETS] > 0)
        return false;
    int32_t word = known->words.at[bucket];
    return word < 0 || known->checks.at[word] != check_of(found);
}

/* Write edit number `which`, in the order of `spelling.edits`, to trial[1:]; return where it ends. */
static int64_t edit(const uint8_t *word, int64_t length, int64_t which, uint8_t *trial) {
    bool is_swap = which < length - 1, is_drop = !is_swap && which < 2 * length - 1;
    int64_t inserted = larger(which - (2 * length - 1), 0);
    int64_t at = is_swap ? which : is_drop ? which - (length - 1) : inserted / LETTERS;
    int64_t filled = 1;
    for (int64_t position = 0; position <= length; position++) {
        if (position == at && is_swap) {
            trial[filled++] = word[at + 1];
            trial[filled++] = word[at];
        } else if (position == at && !is_drop) {
            trial[filled++] = (uint8_t)('a' + inserted % LETTERS);
        }
        bool is_replaced = (position == at && (is_swap || is_drop)) || (position == at + 1 && is_swap);
        if (position < length && !is_replaced)
            trial[filled++] = word[position];
    }
    trial[0] = trial[filled] = BLANK;
    return filled;
}

/* Return the hash of the word after edit number `which`; before[i] is the hash of its first i letters. */
static uint64_t edited(const uint8_t *word, int64_t length, const uint64_t *before, const uint64_t *powers,
                       int64_t which) {
    uint64_t whole = before[length];
    if (which < length - 1)
        return whole + ((uint64_t)word[which + 1] - word[which]) * (powers[which] - powers[which + 1]);
    which -= length - 1;
    if (which < length)
        return before[which] + (whole - before[which + 1]) * INVERSE;
    int64_t at = (which - length) / LETTERS;
    uint64_t letter = 'a' + (uint64_t)((which - length) % LETTERS);
    return before[at] + letter * powers[at] + (whole - before[at]) * BASE;
}

/* Tell whether training saw all runs of the word in trial[1:end]. */
static bool is_built_of_known_runs(const uint8_t *trial, int64_t end, const Vocabulary *known) {
    for (int64_t length = SHORTEST_RUN; length <= LONGEST_RUN && length != end + 1; length++) {
        for (int64_t start = 0; start < end + 2 - length; start++) {
            uint64_t value = trial[start];
            for (int64_t position = start + 1; position < start + length; position++)
                value = value * BASE + trial[position];
            if (known->rows.at[bucket_of(mixed(value, (uint64_t)length))] == 0)
                return false;
        }
    }
    return true;
}

static bool is_mendable(const uint8_t *word, int64_t length) {
    if (length < SHORTEST_MENDED || length > LONGEST_MENDED)
        return false;
    for (int64_t index = 0; index < length; index++)
        if (word[index] < 'a' || word[index] > 'z')
            return false;
    return true;
}

/* Return the number of the edit that gives the most common training word, or -1. */
static int64_t nearest(const uint8_t *word, int64_t length, const Vocabulary *known, uint8_t *trial) {
    if (!is_mendable(word, length))
        return -1;
    uint64_t before[LONGEST_MENDED + 1], powers[LONGEST_MENDED + 1], power = BASE;
    before[0] = 0;
    for (int64_t index = 0; index < length; index++, power *= BASE) {
        before[index + 1] = before[index] + word[index] * power;
        powers[index] = power;
    }
    powers[length] = power;
    int64_t best = -1;
    float least = FLT_MAX;
    for (int64_t which = 0; which < 2 * length - 1 + LETTERS * (length + 1); which++) {
        uint64_t value = mixed(edited(word, length, before, powers, which), KIND_OF_WORD);
        int32_t row = known->rows.at[bucket_of(value) + WORD_BUCKETS];
        if (row == 0 || known->gains.at[row] >= least)
            continue;
        int64_t end = edit(word, length, which, trial);
        if (end > SHORTEST_MENDED && is_built_of_known_runs(trial, end, known)) {
            best = which;
            least = known->gains.at[row];
        }
    }
    return best;
}

static bool is_any_strange(Span span, const Vocabulary *known) {
    for (int64_t word = 0; word < span.count; word++)
        if (is_strange(hash_of(span.text, span.bounds[2 * word], span.bounds[2 * word + 1]), known))
            return true;
    return false;
}

/* Write words to the text from `at` on, each strange one as its nearest word; return where they end. */
static int64_t mend(uint8_t *text, Span span, int64_t at, const Vocabulary *known) {
    uint8_t trial[LONGEST_MENDED + 3];
    text[at++] = BLANK;
    for (int64_t word = 0; word < span.count; word++) {
        int64_t first = span.bounds[2 * word], end = span.bounds[2 * word + 1], which = -1;
        if (is_strange(hash_of(text, first, end), known))
            which = nearest(text + first, end - first, known, trial);
        span.bounds[2 * word] = at;
        if (which >= 0)
            at = copied(trial, 1, edit(text + first, end - first, which, trial), text, at);
        else
            at = copied(text, first, end, text, at);
        span.bounds[2 * word + 1] = at;
        text[at++] = BLANK;
    }
    return at;
}

/* Mend the words of each title, and narrow its span to those that are no rank. */
EXPORTED void jm_mend(int64_t count, Words *words, const Vocabulary *known) {
    uint8_t *text = words->text.at;
    int64_t at = MENDED_FROM;
    for (int64_t title = 0; title < count; title++) {
        int64_t *span = words->spans.at + 2 * title, *mended = words->mended.at + 2 * title;
        Span found = {text, words->bounds.at + 2 * span[0], span[1] - span[0]};
        found = between_ranks(found, words->cut.at[title]);
        mended[0] = mended[1] = at;
        if (is_any_strange(found, known)) {
            at = mend(text, found, at, known);
            mended[0]++;
            mended[1] = at - 1;
            found = between_ranks(found, false);
        }
        span[0] = (found.bounds - words->bounds.at) / 2;
        span[1] = span[0] + found.count;
    }
}
