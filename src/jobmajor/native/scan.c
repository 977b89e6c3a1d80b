/* The scanner of delimited text: it finds where rows begin and end, and their titles. What it finds, and the rules, are
   described in `tables/text/scan.py`, which has the same functions in Python. */
#include "kernels.h"

typedef struct {
    ARRAY(int64_t) rows; /* (most, ROW_FIELDS) */
    ARRAY(uint8_t) titles;
    ARRAY(int64_t) starts;
    ARRAY(int64_t) state;
} Found;

typedef struct {
    int64_t separator, column, width;
    int64_t longest; /* bytes; a longer row is too long */
    int64_t has_quotes, is_utf8;
} Asked;

typedef struct {
    int64_t begin, end, next, lines, fields, fault, cell_fault, title_end;
    int64_t count; /* of the rows before it */
    bool is_endless;
} Row;

typedef struct { /* the text to read: up to `limit` for one row, `end` for all; more may follow unless it is the last */
    const uint8_t *text;
    int64_t limit, end;
    bool is_last;
} Source;

enum { FINE, WIDTH, NO_UTF8, A_NUL, TOO_LONG, NOT_CLOSED, BEHIND_QUOTE, STRAY }; /* faults */
enum { BEGIN, END, NEXT, LINE, FIELDS, FAULT, ROW_FIELDS };
enum { POSITION, LINES, SKIPS };
enum { INCOMPLETE = -2 };

static bool ends_line(uint8_t sign) { return sign == '\n' || sign == '\r'; }

static int64_t line_end(const uint8_t *text, int64_t begin, int64_t end) {
    while (begin < end && !ends_line(text[begin]))
        begin++;
    return begin;
}

/* Return where the next line begins, after the byte that ends one; INCOMPLETE if more text is needed. */
static int64_t after_line_end(Source source, int64_t position) {
    if (source.text[position] == '\n')
        return position + 1;
    if (position + 1 < source.end)
        return position + (source.text[position + 1] == '\n' ? 2 : 1);
    return source.is_last ? position + 1 : INCOMPLETE;
}

/* Tell whether the bytes are well-formed. Source: The Unicode Standard 15.0, table 3-7. */
static bool is_utf8(const uint8_t *text, int64_t begin, int64_t end) {
    for (int64_t position = begin; position < end;) {
        uint8_t sign = text[position++];
        if (sign < 0x80)
            continue;
        if (sign < 0xC2 || sign > 0xF4)
            return false;
        uint8_t low = sign == 0xE0 ? 0xA0 : sign == 0xF0 ? 0x90 : 0x80;
        uint8_t high = sign == 0xED ? 0x9F : sign == 0xF4 ? 0x8F : 0xBF;
        for (int more = 1 + (sign >= 0xE0) + (sign >= 0xF0); more > 0; more--, low = 0x80, high = 0xBF, position++)
            if (position >= end || text[position] < low || text[position] > high)
                return false;
    }
    return true;
}

/* Tell whether a quoted cell of tab-separated text has whole rows in it: then its two quotes belong to no cell. */
static bool is_stray(Source source, const Row *row, int64_t position, const Asked *asked) {
    if (asked->separator != '\t' || asked->width < 2)
        return false;
    int64_t fields = 1;
    for (int64_t at = row->begin; at < position; at++) {
        uint8_t sign = source.text[at];
        fields += sign == '\t';
        if (sign == '\n' || (sign == '\r' && source.text[at + 1] != '\n')) {
            if (fields != asked->width)
                return false;
            fields = 1;
        }
    }
    bool is_at_end = position >= source.limit || ends_line(source.text[position]);
    return is_at_end ? fields == asked->width : fields < asked->width;
}

/* Read a quoted cell from its opening quote on, and return where it ends. A title's text is copied to the titles. */
static int64_t quoted_cell(Source source, int64_t begin, const Asked *asked, bool is_title, Found *found, Row *row) {
    int64_t position = begin + 1, write = row->title_end, lines = row->lines;
    row->cell_fault = NOT_CLOSED;
    while (position < source.limit) {
        uint8_t sign = source.text[position++];
        bool is_last = position >= source.limit;
        if (sign == '"') {
            if (is_last || source.text[position] != '"') {
                row->cell_fault = FINE;
                break;
            }
            position++;
        } else if (sign == '\n' || (sign == '\r' && (is_last || source.text[position] != '\n'))) {
            row->lines++;
        }
        if (is_title && write < found->titles.size)
            found->titles.at[write++] = sign;
    }
    row->title_end = write;
    if (row->cell_fault == FINE && position < source.limit) {
        uint8_t sign = source.text[position];
        row->cell_fault = sign == asked->separator || ends_line(sign) ? FINE : BEHIND_QUOTE;
    }
    if (row->cell_fault == FINE && row->lines > lines && is_stray(source, row, position, asked))
        row->cell_fault = STRAY;
    return position;
}

/* Return where a cell without quotes ends; copy a title's text. */
static int64_t plain_cell(Source source, int64_t begin, uint8_t separator, bool is_title, Found *found, Row *row) {
    int64_t position = begin;
    while (position < source.limit && source.text[position] != separator && !ends_line(source.text[position]))
        position++;
    if (is_title)
        row->title_end = copied(source.text, begin, position, found->titles.at, row->title_end);
    return position;
}

/* Read one cell and return where it ends. A quote that opens no cell is read as a character like others. */
static int64_t cell(Source source, int64_t begin, const Asked *asked, Found *found, Row *row) {
    bool is_title = row->fields == asked->column;
    if (asked->has_quotes && begin < source.limit && source.text[begin] == '"') {
        int64_t lines = row->lines, title_end = row->title_end;
        int64_t position = quoted_cell(source, begin, asked, is_title, found, row);
        bool is_cut = position >= source.end && !source.is_last; /* what follows decides */
        if (row->cell_fault == FINE || is_cut)
            return position;
        row->fault = row->fault == FINE ? row->cell_fault : row->fault;
        row->lines = lines;
        row->title_end = title_end;
    }
    return plain_cell(source, begin, (uint8_t)asked->separator, is_title, found, row);
}

/* Read a row's cells and return where its line ends, or the limit; `row` gets the fault, fields, lines and title. */
static int64_t cells(Source source, int64_t begin, const Asked *asked, Found *found, Row *row) {
    int64_t position = begin;
    row->fields = row->lines = 0;
    row->fault = FINE;
    while (true) {
        position = cell(source, position, asked, found, row);
        row->fields++;
        if (position >= source.limit || source.text[position] != asked->separator)
            break;
        position++;
    }
    return position;
}

/* Note where the row ends and the next begins; return false if more text is needed. */
static bool note_end(Source source, int64_t position, Row *row) {
    row->end = row->next = position;
    if (position < source.end)
        row->next = after_line_end(source, position);
    return row->next != INCOMPLETE;
}

/* Note the first line of a row that is too long: a row of its own if it is short enough. */
static bool give_up(Source source, const Asked *asked, Found *found, Row *row) {
    int64_t position = line_end(source.text, row->begin, source.limit);
    if (position < source.limit) {
        Asked plain = *asked;
        plain.has_quotes = 0;
        row->title_end = found->starts.at[row->count];
        position = cells(source, row->begin, &plain, found, row);
        row->fault = NOT_CLOSED;
        return note_end(source, position, row);
    }
    row->lines = row->fields = 0;
    row->end = row->next = position;
    row->fault = TOO_LONG;
    row->is_endless = true;
    return true;
}

/* Read a row and return whether it ends within the text. */
static bool is_whole(Source source, int64_t begin, const Asked *asked, Found *found, Row *row) {
    row->begin = begin;
    row->is_endless = false;
    row->title_end = found->starts.at[row->count];
    int64_t position = cells(source, begin, asked, found, row);
    if (position >= source.limit && source.limit - begin > asked->longest)
        return give_up(source, asked, found, row);
    if (position >= source.end && !source.is_last)
        return false;
    return note_end(source, position, row);
}

/* Return the fault of a complete row. */
static int64_t fault_of(const uint8_t *text, const Row *row, const Asked *asked) {
    if (row->fault != FINE)
        return row->fault;
    uint8_t most = 0, least = 255;
    for (int64_t position = row->begin; position < row->end; position++) {
        most = text[position] > most ? text[position] : most;
        least = text[position] < least ? text[position] : least;
    }
    if (least == 0)
        return A_NUL;
    if (asked->is_utf8 && most >= 0x80 && !is_utf8(text, row->begin, row->end))
        return NO_UTF8;
    return row->fields == asked->width ? FINE : WIDTH;
}

/* Skip the rest of an endless line; return false if it does not end in the text. */
static bool skip_line(Source source, int64_t *state) {
    int64_t position = line_end(source.text, state[POSITION], source.end);
    state[POSITION] = position;
    int64_t following = position < source.end ? after_line_end(source, position) : INCOMPLETE;
    if (following == INCOMPLETE)
        return false;
    state[POSITION] = following;
    state[SKIPS] = 0;
    state[LINES]++;
    return true;
}

/* Write a row to the table; return how many rows it then has. */
static int64_t put_row(const uint8_t *text, const Asked *asked, Found *found, Row *row, int64_t count) {
    row->fault = fault_of(text, row, asked);
    if (row->fault == TOO_LONG)
        row->title_end = found->starts.at[count];
    int64_t *into = found->rows.at + count * ROW_FIELDS;
    into[BEGIN] = row->begin;
    into[END] = row->end;
    into[NEXT] = row->next;
    into[LINE] = found->state.at[LINES];
    into[FIELDS] = row->fields;
    into[FAULT] = row->fault;
    found->starts.at[count + 1] = row->title_end;
    return count + 1;
}

/* Find the rows from the position in the state on, and return how many fit into `found` or are complete before `end`. */
EXPORTED int64_t jm_scan(const uint8_t *text, int64_t end, int64_t is_last, const Asked *asked, Found *found) {
    int64_t *state = found->state.at, count = 0;
    Row row = {.count = 0};
    found->starts.at[0] = 0;
    while (state[POSITION] < end && count < found->rows.size) {
        int64_t begin = state[POSITION];
        Source source = {text, smaller(end, begin + asked->longest + 1), end, is_last != 0};
        if (state[SKIPS]) {
            if (!skip_line(source, state))
                break;
            continue;
        }
        if (!is_whole(source, begin, asked, found, &row))
            break;
        state[POSITION] = row.next;
        state[SKIPS] = row.is_endless;
        if (row.end > begin || asked->width == 1 || row.fault != FINE)
            row.count = count = put_row(text, asked, found, &row, count);
        state[LINES] += row.lines + 1 - row.is_endless;
    }
    return count;
}
