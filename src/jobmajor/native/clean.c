/* Raw titles to clean words: what `titles.normalise` does in Python, which a property test holds this file to. Only
   titles in ASCII are cleaned here; Python cleans all others before. */
#include "kernels.h"

typedef struct { /* a hash table from texts to texts: entry e has the key keys[starts[e]:starts[e + 1]] */
    ARRAY(int16_t) slots;
    ARRAY(uint8_t) keys;
    ARRAY(int64_t) starts;
    ARRAY(uint8_t) values;
    ARRAY(int64_t) value_starts;
    int64_t longest;
} Table;

typedef struct {
    Table words, titles;
    int64_t is_plain; /* no word is replaced */
} Forms;

typedef struct {
    ARRAY(uint8_t) data;
    ARRAY(int64_t) starts;
    ARRAY(uint8_t) found;
} Marks;

enum { IS_NONE = -1, IS_AND, IS_DOTNET, IS_CSHARP, IS_CPLUSPLUS };
static const char *const SIGN_WORDS[] = {"and", "dotnet", "csharp", "cplusplus"};
static const char *const ENDINGS[] = {"woman", "person", "women", "people", "persons"}; /* the first two become "man" */
enum { WOMEN = 2 }; /* the endings after it stay as they are where they are the whole word */

/* Mark each title that has bytes beyond ASCII in the part that is read. */
EXPORTED void jm_mark_foreign(const Marks *marks) {
    for (int64_t title = 0; title < marks->found.size; title++) {
        int64_t begin = marks->starts.at[title], end = smaller(marks->starts.at[title + 1], begin + LONGEST);
        uint8_t most = 0;
        for (int64_t position = begin; position < end; position++)
            most |= marks->data.at[position];
        marks->found.at[title] = most >= 128;
    }
}

/* Fill `folded` with what each byte becomes before words are split: lower case, a blank, or a sign with a meaning. An
   apostrophe becomes nothing, which 0 stands for. */
static void fill_folding(uint8_t folding[256]) {
    for (int sign = 0; sign < 256; sign++) {
        folding[sign] = BLANK;
        if (is_in_word((uint8_t)sign) || strchr("_&.+#", sign))
            folding[sign] = (uint8_t)sign;
        else if (sign >= 'A' && sign <= 'Z')
            folding[sign] = (uint8_t)(sign - 'A' + 'a');
    }
    folding[0] = BLANK; /* strchr finds the end of its text */
    folding['\''] = folding['`'] = 0;
}

static bool are_equal(const uint8_t *one, const uint8_t *other, int64_t length) {
    int64_t position = 0;
    while (position < length && one[position] == other[position])
        position++;
    return position == length;
}

/* Return the entry whose key is text[begin:end], which has the hash `value`; -1 if there is none. */
static int64_t found_in(const Table *table, const uint8_t *text, int64_t begin, int64_t end, uint64_t value) {
    int64_t mask = table->slots.size - 1, slot = (int64_t)(value >> 40) & mask;
    for (; table->slots.at[slot] >= 0; slot = (slot + 1) & mask) {
        int64_t entry = table->slots.at[slot], key = table->starts.at[entry];
        if (table->starts.at[entry + 1] - key == end - begin
            && are_equal(text + begin, table->keys.at + key, end - begin))
            return entry;
    }
    return -1;
}

/* Write a title's folded bytes to folded[1:], with blanks around them; return where they end. */
static int64_t fold(const uint8_t *data, int64_t begin, int64_t end, const uint8_t *folding, uint8_t *folded) {
    int64_t size = 1;
    folded[0] = BLANK;
    end = smaller(end, begin + LONGEST);
    for (int64_t position = begin; position < end; position++) {
        uint8_t sign = folding[data[position]];
        folded[size] = sign;
        size += sign != 0;
    }
    memset(folded + size, BLANK, 4);
    return size;
}

static bool is_wordlike(uint8_t sign) { return is_in_word(sign) || sign == '_'; }

/* Return which word a sign at `position` stands for, and where the sign ends. */
static int sign_at(const uint8_t *folded, int64_t position, int64_t *after) {
    const uint8_t *sign = folded + position;
    *after = position;
    if (sign[0] == '&') {
        *after = position + 1;
        return IS_AND;
    }
    if (sign[0] == '.' && !is_wordlike(sign[-1]) && !is_wordlike(sign[4])) {
        if (sign[1] == 'n' && sign[2] == 'e' && sign[3] == 't') {
            *after = position + 4;
            return IS_DOTNET;
        }
    } else if (sign[0] == 'c' && sign[-1] != '_') {
        if (sign[1] == '#') {
            *after = position + 2;
            return IS_CSHARP;
        }
        if (sign[1] == '+' && sign[2] == '+') {
            *after = position + 3;
            return IS_CPLUSPLUS;
        }
    }
    return IS_NONE;
}

static int64_t put(const char *word, uint8_t *text, int64_t at) {
    return copied((const uint8_t *)word, 0, (int64_t)strlen(word), text, at);
}

/* Return which of the endings the word has, or -1; "people" and "persons" alone have none. */
static int ending(const uint8_t *text, int64_t begin, int64_t end) {
    for (int which = 0; which < 5; which++) {
        int64_t length = (int64_t)strlen(ENDINGS[which]);
        if (length <= end - begin && are_equal(text + end - length, (const uint8_t *)ENDINGS[which], length))
            return which > WOMEN && length == end - begin ? -1 : which;
    }
    return -1;
}

/* Replace a word by the form that the normaliser gives it; return where that ends. */
static int64_t replaced(uint8_t *text, int64_t begin, int64_t end, uint64_t value, const Forms *forms) {
    const Table *words = &forms->words;
    if (forms->is_plain)
        return end;
    int64_t entry = found_in(words, text, begin, end, value);
    if (entry >= 0)
        end = copied(words->values.at, words->value_starts.at[entry], words->value_starts.at[entry + 1], text, begin);
    if (text[end - 1] != 'n' && text[end - 1] != 'e' && text[end - 1] != 's') /* the last letters of the endings */
        return end;
    int which = ending(text, begin, end);
    if (which < 0)
        return end;
    end -= (int64_t)strlen(ENDINGS[which]);
    while (end - begin >= 2 && text[end - 2] == 'w' && text[end - 1] == 'o')
        end -= 2;
    return put(which >= WOMEN ? "men" : "man", text, end);
}

/* Write a title's words to text[1:], with a blank after each; return where the last one ends. */
static int64_t split(const uint8_t *folded, int64_t size, uint8_t *text, const Forms *forms) {
    int64_t at = 1, position = 1;
    while (position < size && at <= LONGEST + 1) {
        int64_t count = 0, after = position;
        uint64_t value = 0, power = BASE;
        for (; is_in_word(folded[position + count]); count++, power *= BASE) {
            text[at + count] = folded[position + count];
            value += folded[position + count] * power;
        }
        int which = count <= 1 ? sign_at(folded, position, &after) : IS_NONE;
        if (which >= 0) {
            at = put(SIGN_WORDS[which], text, at) + 1;
        } else if (count) {
            at = replaced(text, at, at + count, value, forms) + 1;
            after = position + count;
        } else {
            position++;
            continue;
        }
        text[at - 1] = BLANK;
        position = after;
    }
    return larger(at - 1, 1);
}

/* Write the clean title to text[1:], with a blank before and after it; return where it ends. */
static int64_t clean(const Batch *titles, int64_t title, const Forms *forms, const uint8_t *folding, uint8_t *text) {
    uint8_t folded[2 * LONGEST];
    int64_t cleaned = titles->clean_of.at[title], end;
    text[0] = BLANK;
    if (cleaned >= 0) {
        const int64_t *starts = titles->clean_starts.at + cleaned;
        end = copied(titles->clean.at, starts[0], starts[1], text, 1);
    } else {
        const int64_t *starts = titles->starts.at + title;
        int64_t size = fold(titles->data.at, starts[0], starts[1], folding, folded);
        end = split(folded, size, text, forms);
        if (end <= forms->titles.longest + 1) {
            int64_t entry = found_in(&forms->titles, text, 1, end, hash_of(text, 1, end));
            if (entry >= 0) {
                starts = forms->titles.value_starts.at + entry;
                end = copied(forms->titles.values.at, starts[0], starts[1], text, 1);
            }
        }
        end = smaller(end, LONGEST + 1);
    }
    text[end] = BLANK;
    return end;
}

/* Write where each word begins and ends to bounds[at:]; return the index after the last word. */
static int64_t bound(const uint8_t *text, int64_t begin, int64_t end, int64_t *bounds, int64_t at) {
    for (int64_t position = begin; position < end; position++) {
        if (text[position] == BLANK)
            continue;
        if (text[position - 1] == BLANK)
            bounds[2 * at] = position;
        if (text[position + 1] == BLANK)
            bounds[2 * at++ + 1] = position + 1;
    }
    return at;
}

/* Write the words of titles from `first` on, as many as fit into a block; return the number of titles. `forms` says
   what words and whole titles become. */
EXPORTED int64_t jm_clean(const Batch *titles, int64_t first, const Forms *forms, Words *words) {
    uint8_t folding[256];
    fill_folding(folding);
    int64_t at = 0, done = 0, word = 0, limit = smaller(BLOCK_TITLES, titles->clean_of.size - first);
    while (done < limit && at + 2 * TITLE_BYTES <= MENDED_FROM) {
        int64_t end = at + clean(titles, first + done, forms, folding, words->text.at + at);
        words->spans.at[2 * done] = word;
        word = bound(words->text.at, at + 1, end, words->bounds.at, word);
        words->spans.at[2 * done + 1] = word;
        words->cut.at[done] = end > at + 1 && words->text.at[end - 1] == BLANK;
        at = end;
        done++;
    }
    return done;
}
