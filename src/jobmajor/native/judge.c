/* Tell which texts are titles that the model can read: what `abstain` and `listed` compute in Python, which a property
   test holds this file to. Only Python can tell whether a text is an address and which script its letters belong to; the
   few titles for which that matters are marked, and `kernels.pipeline` asks Python about them. */
#include "kernels.h"

typedef struct {
    ARRAY(uint64_t) words;
    ARRAY(uint32_t) slots;
    ARRAY(uint64_t) placeholders;
    ARRAY(uint64_t) fillers;
    ARRAY(uint64_t) foreign;
    ARRAY(uint64_t) links;
    ARRAY(uint32_t) keys;
} TrainingIndex;

typedef struct {
    ARRAY(int64_t) bounds; /* (titles, 2) */
    ARRAY(int64_t) letters;
    ARRAY(int64_t) digits;
    ARRAY(uint8_t) marks;
    ARRAY(uint8_t) asks;
    ARRAY(uint64_t) hashes;
} Signs;

typedef struct { /* the thresholds of `abstain` */
    float known;
    float well_known;
    int64_t letters;
} Least;

enum { PLAIN, STRANGE, NO_TITLE, FOREIGN, OTHER_LANGUAGE = 5 };
enum { IS_ADDRESS = 1, IS_FOREIGN = 2 };
enum { RUN = 4 }; /* bytes, as in `listed` */

/* In a clean text all signs above the digits are letters, and so are the bytes of letters beyond ASCII. */
static bool is_letter(uint8_t sign) { return sign > '9'; }
static bool is_space(uint8_t sign) { return sign == ' ' || (sign >= 9 && sign <= 13) || (sign >= 28 && sign <= 31); }

static int64_t slot_of(uint32_t run, int64_t slots) {
    uint32_t spread = run * UINT32_C(0x9E3779B1);
    return (int64_t)(spread ^ (spread >> 15)) & (slots - 1);
}

/* Put runs into an empty hash table, 0 where a slot is empty. */
EXPORTED void jm_scatter(const uint32_t *runs, int64_t count, uint32_t *slots, int64_t size) {
    for (int64_t index = 0; index < count; index++) {
        int64_t slot = slot_of(runs[index], size);
        while (slots[slot] != 0)
            slot = (slot + 1) & (size - 1);
        slots[slot] = runs[index];
    }
}

static bool is_run(uint32_t run, const TrainingIndex *index) {
    int64_t slots = index->slots.size, slot = slot_of(run, slots);
    while (index->slots.at[slot] != 0 && index->slots.at[slot] != run)
        slot = (slot + 1) & (slots - 1);
    return index->slots.at[slot] == run;
}

static bool is_among(uint64_t value, const uint64_t *ascending, int64_t size) {
    int64_t low = 0, high = size;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (ascending[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low < size && ascending[low] == value;
}

static bool is_key(uint32_t run, const TrainingIndex *index) {
    for (int64_t key = 0; key < index->keys.size; key++)
        if (index->keys.at[key] == run)
            return true;
    return false;
}

static bool is_placeholder(const uint8_t *text, int64_t begin, int64_t end, int64_t digits, const TrainingIndex *index) {
    while (digits > 0 && end > begin && (text[end - 1] == BLANK || (text[end - 1] >= '0' && text[end - 1] <= '9')))
        end--;
    return end > begin && is_among(hash_of(text, begin, end), index->placeholders.at, index->placeholders.size);
}

/* Tell whether a title may be nothing but an address, so that Python has to check it. An address holds no space. If the
   title is not ASCII, spaces that this function does not know may surround it. */
static bool is_asked_for_address(const Batch *titles, int64_t title) {
    const uint8_t *data = titles->data.at;
    int64_t begin = titles->starts.at[title], end = titles->starts.at[title + 1];
    bool has_sign = false;
    uint8_t most = 0;
    for (int64_t position = begin; position < smaller(end, begin + 4 * LONGEST); position++) {
        uint8_t sign = data[position];
        has_sign |= sign == '.' || sign == '@' || sign == ':';
        most |= sign;
    }
    if (!has_sign || most >= 128)
        return has_sign;
    while (begin < end && is_space(data[begin]))
        begin++;
    while (begin < end && is_space(data[end - 1]))
        end--;
    while (begin < end && !is_space(data[begin]))
        begin++;
    return begin == end;
}

/* Count a title's letters and digits, and mark it where they alone show that it is no title. */
static void look_at(const uint8_t *text, int64_t begin, int64_t end, const TrainingIndex *index, Signs *into,
                    int64_t title) {
    int64_t letters = 0, digits = 0;
    bool is_thrice = false; /* three equal letters in a row */
    uint8_t most = 0;
    for (int64_t position = begin; position < end; position++) {
        uint8_t sign = text[position];
        letters += is_letter(sign);
        digits += sign >= '0' && sign <= '9';
        most |= sign;
        if (is_letter(sign) && position >= begin + 2 && sign == text[position - 1] && sign == text[position - 2])
            is_thrice |= sign != 'i' && sign != 'w';
    }
    bool is_none = letters < 2 || letters <= digits || is_thrice || is_placeholder(text, begin, end, digits, index);
    into->letters.at[title] = letters;
    into->digits.at[title] = digits;
    into->hashes.at[title] = hash_of(text, begin, end);
    into->marks.at[title] = is_none ? NO_TITLE : PLAIN;
    into->asks.at[title] = most < 128 ? 0 : IS_FOREIGN;
}

/* Fill `into` with what can be told of a block's titles before their words are mended; `first` is the index of the
   block's first title in the batch. */
EXPORTED void jm_look(const Batch *titles, int64_t first, int64_t count, const Words *words,
                      const TrainingIndex *index, Signs *into) {
    for (int64_t title = 0; title < count; title++) {
        int64_t begin = 0, end = 0, word = words->spans.at[2 * title], last = words->spans.at[2 * title + 1];
        if (word < last) {
            begin = words->bounds.at[2 * word];
            end = words->bounds.at[2 * last - 1];
        }
        into->bounds.at[2 * title] = begin;
        into->bounds.at[2 * title + 1] = end;
        look_at(words->text.at, begin, end, index, into, title);
        if (is_asked_for_address(titles, first + title))
            into->asks.at[title] |= IS_ADDRESS;
    }
}

/* Return which share of a text's words and runs training has seen. */
static float seen(const uint8_t *text, int64_t begin, int64_t end, const TrainingIndex *index) {
    int64_t found = 0, count = 0, first = begin;
    uint32_t run = BLANK;
    if (index->words.size == 0)
        return 1;
    for (int64_t position = begin; end > begin && position <= end; position++) {
        bool is_end = position == end || text[position] == BLANK;
        run = run << 8 | (is_end ? BLANK : text[position]);
        if (position >= first + RUN - 2) { /* with the blank before the word, so many bytes are there */
            count++;
            found += is_run(run, index);
        }
        if (is_end) {
            count++;
            found += is_among(hash_of(text, first, position), index->words.at, index->words.size);
            first = position + 1;
            run = BLANK;
        }
    }
    return (float)((double)found / (double)larger(count, 1));
}

/* `abstain._is_filler`. */
static bool is_filler(const uint8_t *text, int64_t begin, int64_t end, const TrainingIndex *index) {
    uint32_t run = 0;
    int64_t words = 0, fillers = 0, first = begin;
    bool has_keys = false;
    for (int64_t position = begin; position <= end; position++) {
        uint8_t sign = position < end ? text[position] : BLANK;
        run = run << 8 | sign;
        has_keys |= is_key(run, index);
        if (sign == BLANK) {
            words++;
            fillers += has_keys || is_among(hash_of(text, first, position), index->fillers.at, index->fillers.size);
            has_keys = false;
            first = position + 1;
        }
    }
    return 2 * fillers >= larger(words, 1);
}

/* `languages.is_other`. */
static bool is_other_language(const uint8_t *text, int64_t begin, int64_t end, const TrainingIndex *index) {
    int64_t words = 0, foreign = 0, links = 0, first = begin;
    for (int64_t position = begin; position <= end; position++) {
        if (position < end && text[position] != BLANK)
            continue;
        uint64_t word = hash_of(text, first, position);
        words++;
        foreign += is_among(word, index->foreign.at, index->foreign.size);
        links += is_among(word, index->links.at, index->links.size);
        first = position + 1;
    }
    return foreign > 0 && 2 * (foreign + links) >= words;
}

/* Mark mended titles by how much of each training has seen. */
EXPORTED void jm_judge(int64_t count, const Words *words, const TrainingIndex *index, const Least *least, Signs *into) {
    const uint8_t *text = words->text.at;
    for (int64_t title = 0; title < count; title++) {
        const int64_t *bounds = into->bounds.at + 2 * title, *mended = words->mended.at + 2 * title;
        const int64_t *read = mended[0] < mended[1] ? mended : bounds;
        float share = seen(text, read[0], read[1], index);
        uint8_t *mark = into->marks.at + title;
        bool is_none = *mark == NO_TITLE;
        if (share < least->known && *mark < NO_TITLE)
            *mark = into->letters.at[title] >= least->letters ? NO_TITLE : STRANGE;
        if (share >= least->well_known)
            continue;
        if (!is_none && is_other_language(text, bounds[0], bounds[1], index))
            *mark = OTHER_LANGUAGE;
        if (is_filler(text, bounds[0], bounds[1], index))
            *mark = NO_TITLE;
    }
}
