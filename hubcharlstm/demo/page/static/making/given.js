// Whether this tab has given a text before, so that the view can say that it is gone, as it is with its server.

const GIVEN_KEY = "hubcharlstm.given.1";

// Notes whether the server has a text now; returns whether one is gone since the last time.
function noteGiven({ phase }) {
  try {
    const wasGiven = sessionStorage.getItem(GIVEN_KEY) !== null;
    if (phase === "none") sessionStorage.removeItem(GIVEN_KEY);
    else sessionStorage.setItem(GIVEN_KEY, "1");
    return wasGiven && phase === "none";
  } catch {
    return false; // no sessionStorage: the view shows where to give a text, and no more
  }
}
