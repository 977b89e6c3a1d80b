/* What `sums.c` and `evidence.c` share: the sums of the pieces of words. */
#ifndef JOBMAJOR_SUMS_H
#define JOBMAJOR_SUMS_H

#include "kernels.h"

/* Sums have these parts: of the gains, of their squares, of the rows of the linear model times their gains, and of the
   entries of codes times their gains. */
enum { GAIN, SQUARES, MARGINS = 8 };

static inline int64_t likelihoods_at(const Model *model) { return MARGINS + ((model->bias.size + 7) & -8); }

static inline int64_t width_of(const Model *model) {
    return likelihoods_at(model) + ((model->code_totals.size + 7) & -8);
}

typedef struct { /* the sums of words that training knows, in the order in which they were met; for all threads */
    ARRAY(int32_t) slots; /* a hash table of entries, from 1 on; 0 where a slot is empty */
    ARRAY(uint8_t) keys;  /* (entries, KEY_BYTES) */
    ARRAY(int32_t) meanings;
    ARRAY(float) sums; /* (entries, width) */
    ARRAY(int64_t) count;
} WordSums;

typedef struct { /* memory for one title */
    Scratch scratch;
    Block pieces; /* of one word */
    ARRAY(float) word; /* sums of a word that is not kept */
    ARRAY(float) title; /* sums of a title */
    ARRAY(float) hidden;
    ARRAY(int32_t) pairs; /* for each of its words: the bucket of the pair that it ends, */
    ARRAY(uint64_t) hashes;
    ARRAY(int64_t) entries; /* and its entry in the table, or -1 */
} Summing;

typedef struct {
    const float *sums;
    int32_t meaning; /* the row of the word in the arrays of the network, or -1 */
} WordSum;

/* Add the piece of a bucket to sums, if training saw it. */
void add_bucket(const Model *model, int32_t bucket, float *sums);

/* Return the entry of the word at bounds[0] to bounds[1], -1 if it is not kept; `value` is its hash. */
int64_t find_kept(const uint8_t *text, const int64_t *bounds, uint64_t value, const Model *model,
                  const WordSums *kept);

/* Return what the pieces of a word sum up to, and keep it if training knows the word and there is room. The result is
   valid until the next call. */
WordSum sums_of(const uint8_t *text, int64_t *bounds, uint64_t value, const Model *model, const WordSums *kept,
                const Summing *memory);

#endif
