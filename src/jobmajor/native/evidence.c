/* Pieces to the evidence of a model's parts: `scoring.evidence`, without the network's second layer for many titles. */
#include <math.h>

#include "kernels.h"

typedef struct {
    ARRAY(int32_t) rows;
    ARRAY(float) gains;
    ARRAY(float) weights; /* (rows, majors), padded to a multiple of 8 */
    ARRAY(float) bias;    /* (majors,), padded alike */
    ARRAY(int32_t) entry_starts;
    ARRAY(int16_t) entry_codes;
    ARRAY(float) entry_values;
    ARRAY(float) code_totals;
    ARRAY(int32_t) words;
    ARRAY(uint32_t) checks;
    ARRAY(int8_t) word_parts; /* (words, ROLES, hidden) */
    ARRAY(float) word_scales; /* (ROLES, hidden) */
    ARRAY(float) hidden_bias;
} Model;

typedef struct {
    ARRAY(float) margins;     /* (titles, padded majors) */
    ARRAY(float) likelihoods; /* (titles, codes) */
    ARRAY(float) hidden;      /* (titles, hidden) */
} BlockEvidence;

typedef struct { /* the known pieces of one title, as in `scoring.KnownPieces` */
    ARRAY(int32_t) rows;
    ARRAY(float) values;
} Found;

enum { USUAL_MAJORS = 24, ROLES = 3 }; /* 23 groups, padded */

/* Fill in the rows and values of a title's known pieces; return how many there are. */
static int64_t find_known(const int32_t *buckets, int64_t count, const Model *model, Found *found) {
    int32_t *rows = found->rows.at;
    float *values = found->values.at;
    int64_t known = 0;
    for (int64_t index = 0; index < count; index++) {
        rows[known] = model->rows.at[buckets[index]];
        known += rows[known] > 0;
    }
    double total = 0;
    for (int64_t piece = 0; piece < known; piece++) {
        int64_t row = rows[piece];
        __builtin_prefetch(model->weights.at + row * model->bias.size);
        __builtin_prefetch(model->weights.at + row * model->bias.size + model->bias.size - 1);
        __builtin_prefetch(model->entry_starts.at + row);
        values[piece] = model->gains.at[row];
        total += values[piece] * values[piece];
    }
    float scale = known ? (float)(1 / sqrt(total)) : 1;
    for (int64_t piece = 0; piece < known; piece++)
        values[piece] *= scale;
    return known;
}

/* Sum the rows of the linear model. Where `majors` is a constant, the sums stay in registers. */
static inline void sum_rows(const Found *found, int64_t pieces, const Model *model, int64_t majors,
                            float *restrict sums) {
    for (int64_t piece = 0; piece < pieces; piece++) {
        const float *restrict row = model->weights.at + found->rows.at[piece] * majors;
        float value = found->values.at[piece];
        int64_t begin = model->entry_starts.at[found->rows.at[piece]];
        __builtin_prefetch(model->entry_codes.at + begin); /* for the next function */
        __builtin_prefetch(model->entry_values.at + begin);
        for (int64_t major = 0; major < majors; major++)
            sums[major] += value * row[major];
    }
}

static void fill_margins(const Found *found, int64_t pieces, const Model *model, float *restrict margins) {
    int64_t majors = model->bias.size;
    if (majors == USUAL_MAJORS) {
        float sums[USUAL_MAJORS];
        memcpy(sums, model->bias.at, sizeof sums);
        sum_rows(found, pieces, model, USUAL_MAJORS, sums);
        memcpy(margins, sums, sizeof sums);
    } else {
        memcpy(margins, model->bias.at, (size_t)majors * sizeof(float));
        sum_rows(found, pieces, model, majors, margins);
    }
}

static void fill_likelihoods(const Found *found, int64_t pieces, const Model *model, float *restrict likelihoods) {
    float total = 0;
    for (int64_t piece = 0; piece < pieces; piece++)
        total += found->values.at[piece];
    for (int64_t code = 0; code < model->code_totals.size; code++)
        likelihoods[code] = -total * model->code_totals.at[code];
    for (int64_t piece = 0; piece < pieces; piece++) {
        const int32_t *starts = model->entry_starts.at + found->rows.at[piece];
        const int16_t *codes = model->entry_codes.at;
        float value = found->values.at[piece];
        for (int64_t entry = starts[0]; entry < starts[1]; entry++)
            likelihoods[(uint16_t)codes[entry]] += value * model->entry_values.at[entry];
    }
}

/* Add what a word says in one of its roles. */
static void add_word(const Model *model, int64_t word, int role, float factor, float *restrict hidden) {
    int64_t size = model->hidden_bias.size;
    const int8_t *restrict parts = model->word_parts.at + (word * ROLES + role) * size;
    const float *restrict scales = model->word_scales.at + role * size;
    for (int64_t unit = 0; unit < size; unit++)
        hidden[unit] += (float)parts[unit] * (scales[unit] * factor);
}

/* `arrays.Tables.meanings` of one word. */
static int32_t meaning(int32_t bucket, uint32_t check, const Model *model) {
    int32_t word = model->words.at[bucket - WORD_BUCKETS];
    return word >= 0 && model->checks.at[word] == check ? word : -1;
}

static void fill_hidden(const Block *block, int64_t title, const Model *model, float *restrict hidden) {
    int64_t begin = block->word_starts.at[title], end = block->word_starts.at[title + 1], size = model->hidden_bias.size;
    int64_t count = 0, first = -1, last = -1;
    memcpy(hidden, model->hidden_bias.at, (size_t)size * sizeof(float));
    for (int64_t word = begin; word < end; word++) {
        int32_t row = meaning(block->words.at[word], block->word_checks.at[word], model);
        if (row >= 0) {
            first = count++ ? first : row;
            last = row;
        }
    }
    for (int64_t word = begin; count && word < end; word++) {
        int32_t row = meaning(block->words.at[word], block->word_checks.at[word], model);
        if (row >= 0)
            add_word(model, row, 0, 1 / (float)count, hidden);
    }
    if (count) {
        add_word(model, last, 1, 1, hidden);
        add_word(model, first, 2, 1, hidden);
    }
    for (int64_t unit = 0; unit < size; unit++)
        hidden[unit] = hidden[unit] > 0 ? hidden[unit] : 0;
}

/* Fill `evidence` for the first `count` titles of a block of pieces. */
EXPORTED void jm_fill(int64_t count, const Block *block, const Model *model, Found *found, BlockEvidence *evidence) {
    int64_t majors = model->bias.size, codes = model->code_totals.size, size = model->hidden_bias.size;
    for (int64_t title = 0; title < count; title++) {
        int64_t begin = block->starts.at[title], end = block->starts.at[title + 1];
        int64_t known = find_known(block->buckets.at + begin, end - begin, model, found);
        fill_margins(found, known, model, evidence->margins.at + title * majors);
        fill_likelihoods(found, known, model, evidence->likelihoods.at + title * codes);
        fill_hidden(block, title, model, evidence->hidden.at + title * size);
    }
}

/* Compute the network's second layer for a few titles. Half of the hidden layer is 0: this loop skips the zeros, which a
   product of matrices would read. */
EXPORTED void jm_spread(int64_t count, const float *hidden, int64_t units, const float *outputs, int64_t codes,
                        float *restrict scores) {
    memset(scores, 0, (size_t)(count * codes) * sizeof(float));
    for (int64_t title = 0; title < count; title++, hidden += units, scores += codes) {
        for (int64_t unit = 0; unit < units; unit++) {
            float activation = hidden[unit];
            const float *restrict row = outputs + unit * codes;
            for (int64_t code = 0; activation > 0 && code < codes; code++)
                scores[code] += activation * row[code];
        }
    }
}
