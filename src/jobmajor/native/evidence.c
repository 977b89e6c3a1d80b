/* Words to the evidence of a model's parts: `scoring.evidence`. */
#include <math.h>

#include "sums.h"

typedef struct {
    ARRAY(float) margins;     /* (titles, majors) */
    ARRAY(float) likelihoods; /* (titles, codes) */
    ARRAY(float) hidden;      /* (titles, hidden) */
} BlockEvidence;

typedef struct { /* which words of a title have a meaning */
    int32_t count, first, last;
} Meanings;

enum { EACH, LAST, FIRST }; /* the roles of a word */
enum { PANEL = 32, MOST_AT_ONCE = 16 }; /* as in evidence.py */

/* TURNS: sets of sums that are added to in turn, since an addition has to wait for the last one to the same sum. Without
   AVX, a set alone fills half of the registers. */
#if defined(__AVX__)
enum { LANES = 8, TURNS = 2 };
#else
enum { LANES = 4, TURNS = 1 };
#endif
typedef float Lanes __attribute__((vector_size(LANES * sizeof(float))));

typedef struct { /* a unit of the hidden layer that is not 0 */
    int32_t index;
    float activation;
} Active;

static inline void add_parts(const Model *model, int32_t word, int64_t size, float *restrict hidden) {
    const int8_t *restrict parts = model->word_parts.at + (int64_t)word * (FIRST + 1) * size;
    for (int64_t unit = 0; unit < size; unit++)
        hidden[unit] += (float)parts[unit];
}

/* Look up the words and pairs of a title. Its words are read some time later, when the processor has fetched them. */
static void look_up(const uint8_t *text, Bounds words, const Model *model, const WordSums *kept,
                    const Summing *memory) {
    uint64_t before = 0;
    for (int64_t word = 0; word < words.size; word++) {
        uint64_t value = hash_of(text, words.at[2 * word], words.at[2 * word + 1]);
        memory->hashes.at[word] = value;
        memory->pairs.at[word] = pair_of(before, value);
        memory->entries.at[word] = find_kept(text, words.at + 2 * word, value, model, kept);
        __builtin_prefetch(model->rows.at + memory->pairs.at[word]);
        before = value;
    }
}

static void add_pairs(int64_t words, const Model *model, const Summing *memory, float *sums) {
    for (int64_t word = 1; word < words; word++) {
        int64_t row = model->rows.at[memory->pairs.at[word]];
        __builtin_prefetch(model->weights.at + row * model->bias.size);
        __builtin_prefetch(model->entry_starts.at + row);
        __builtin_prefetch(model->gains.at + row);
    }
    for (int64_t word = 1; word < words; word++)
        add_bucket(model, memory->pairs.at[word], sums);
}

/* Sum up the words and pairs of a title in `memory`. */
static Meanings sum_title(const uint8_t *text, Bounds words, const Model *model, const WordSums *kept,
                          const Summing *memory) {
    Meanings found = {0, -1, -1};
    int64_t width = memory->title.size, hidden = memory->hidden.size;
    float *restrict sums = memory->title.at;
    look_up(text, words, model, kept, memory);
    memset(sums, 0, (size_t)width * sizeof(float));
    memset(memory->hidden.at, 0, (size_t)hidden * sizeof(float));
    for (int64_t word = 0; word < words.size; word++) {
        int64_t entry = memory->entries.at[word];
        WordSum each = entry >= 0 ? (WordSum){kept->sums.at + entry * width, kept->meanings.at[entry]}
                                  : sums_of(text, words.at + 2 * word, memory->hashes.at[word], model, kept, memory);
        for (int64_t index = 0; index < width; index++)
            sums[index] += each.sums[index];
        if (each.meaning < 0)
            continue;
        found.first = found.count++ ? found.first : each.meaning;
        found.last = each.meaning;
        add_parts(model, each.meaning, hidden, memory->hidden.at);
    }
    add_pairs(words.size, model, memory, sums);
    return found;
}

/* Scale the sums, so that the vector of the title's pieces has length 1. */
static void fill_counted(const Model *model, const float *restrict sums, float *restrict margins,
                         float *restrict likelihoods) {
    const float *restrict entries = sums + likelihoods_at(model), *restrict totals = model->code_totals.at;
    float scale = sums[SQUARES] > 0 ? 1 / sqrtf(sums[SQUARES]) : 1, total = scale * sums[GAIN];
    for (int64_t major = 0; major < model->bias.size; major++)
        margins[major] = model->bias.at[major] + scale * sums[MARGINS + major];
    for (int64_t code = 0; code < model->code_totals.size; code++)
        likelihoods[code] = scale * entries[code] - total * totals[code];
}

static void fill_hidden(const Model *model, Meanings found, const float *restrict sums, float *restrict hidden) {
    int64_t size = model->hidden_bias.size;
    const float *restrict bias = model->hidden_bias.at, *restrict scales = model->word_scales.at;
    const int8_t *parts = model->word_parts.at;
    for (int64_t unit = 0; unit < size; unit++)
        hidden[unit] = bias[unit];
    if (found.count) {
        const int8_t *restrict last = parts + ((int64_t)found.last * (FIRST + 1) + LAST) * size;
        const int8_t *restrict first = parts + ((int64_t)found.first * (FIRST + 1) + FIRST) * size;
        float share = 1 / (float)found.count;
        for (int64_t unit = 0; unit < size; unit++)
            hidden[unit] += sums[unit] * (scales[unit] * share) + (float)last[unit] * scales[LAST * size + unit] +
                            (float)first[unit] * scales[FIRST * size + unit];
    }
    for (int64_t unit = 0; unit < size; unit++)
        hidden[unit] = hidden[unit] > 0 ? hidden[unit] : 0;
}

/* Fill `evidence` for the first `count` titles of a block of words. */
EXPORTED void jm_fill(int64_t count, const Words *words, const Model *model, const WordSums *kept,
                      const Summing *memory, BlockEvidence *evidence) {
    int64_t majors = model->bias.size, codes = model->code_totals.size, size = model->hidden_bias.size;
    for (int64_t title = 0; title < count; title++) {
        int64_t begin = words->spans.at[2 * title], end = words->spans.at[2 * title + 1];
        Bounds bounds = {words->bounds.at + 2 * begin, end - begin};
        Meanings found = sum_title(words->text.at, bounds, model, kept, memory);
        fill_counted(model, memory->title.at, evidence->margins.at + title * majors,
                     evidence->likelihoods.at + title * codes);
        fill_hidden(model, found, memory->hidden.at, evidence->hidden.at + title * size);
    }
}

/* Add what a unit contributes to the columns of a panel. The sums stay in registers, which the compilers do not achieve
   for an array of float. */
static inline void add_unit(Active unit, const float *panel, Lanes *sums) {
    Lanes weights;
    const float *row = panel + (int64_t)unit.index * PANEL;
    for (int part = 0; part < PANEL / LANES; part++) {
        memcpy(&weights, row + part * LANES, sizeof(Lanes));
        sums[part] += unit.activation * weights;
    }
}

/* Sum what the listed units contribute to the columns of a panel. */
static inline void sum_panel(const Active *listed, int64_t count, const float *panel, Lanes *total) {
    Lanes sums[TURNS][PANEL / LANES] = {{{0}}};
    int64_t each = 0;
    for (; each + TURNS <= count; each += TURNS)
        for (int turn = 0; turn < TURNS; turn++)
            add_unit(listed[each + turn], panel, sums[turn]);
    for (; each < count; each++)
        add_unit(listed[each], panel, sums[0]);
    for (int turn = 1; turn < TURNS; turn++)
        for (int part = 0; part < PANEL / LANES; part++)
            sums[0][part] += sums[turn][part];
    memcpy(total, sums[0], sizeof sums[0]);
}

/* List the units of a title's hidden layer that are not 0, and return how many there are; `active` has room for one more
   than all. */
static inline int64_t list_active(const float *hidden, int64_t units, Active *active) {
    int64_t count = 0;
    for (int64_t unit = 0; unit < units; unit++) {
        active[count] = (Active){(int32_t)unit, hidden[unit]};
        count += hidden[unit] > 0; /* a branch would be mispredicted for every other unit */
    }
    return count;
}

/* Compute the network's second layer. Half of the hidden layer is 0, and is left out. A title's sums have the same order
   whatever titles stand beside it, so that its answer is the same to the bit; a product of matrices does not promise that.

   `panels` holds the layer's columns in panels of PANEL, each of shape (units, PANEL). `active` is memory for as many
   titles as `at_once` says, each (units + 1): they are summed together, so that a panel is read from memory once. */
EXPORTED void jm_spread(int64_t count, const float *hidden, int64_t units, const float *panels, int64_t codes,
                        Active *active, int64_t at_once, float *scores) {
    int64_t counts[MOST_AT_ONCE];
    for (int64_t first = 0; first < count; first += at_once) {
        int64_t titles = count - first < at_once ? count - first : at_once;
        for (int64_t title = 0; title < titles; title++)
            counts[title] = list_active(hidden + (first + title) * units, units, active + title * (units + 1));
        for (int64_t code = 0; code < codes; code += PANEL) {
            const float *panel = panels + code * units;
            int64_t columns = codes - code < PANEL ? codes - code : PANEL;
            for (int64_t title = 0; title < titles; title++) {
                Lanes sums[PANEL / LANES];
                sum_panel(active + title * (units + 1), counts[title], panel, sums);
                memcpy(scores + (first + title) * codes + code, sums, (size_t)columns * sizeof(float));
            }
        }
    }
}
