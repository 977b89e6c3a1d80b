// What the service's short reasons mean, in words for people.

export const REASONS = {
  unsure: "of answers with scores as low as this, fewer than 95 in 100 are right",
  "not a title": "this does not read like a job title",
  "not English": "the model was trained on English titles only",
  "unknown language": "the model was not trained on this script",
  "listed once; the model disagrees": "one source lists this title, and the model finds another group more likely",
  moved: "more rows have it than in the reference of a check",
};
