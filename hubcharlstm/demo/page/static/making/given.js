// Whether this tab has given a text before, so that the view can say that it is gone, as it is with its server: until the
// visitor does something else with the view.

const GIVEN_KEY = "hubcharlstm.given.1";

// Notes whether the server has a text of this tab.
function noteGiven({ phase }) {
  try {
    if (phase === "none") sessionStorage.removeItem(GIVEN_KEY);
    else sessionStorage.setItem(GIVEN_KEY, "1");
  } catch {
    // no sessionStorage: the view shows where to give a text, and no more
  }
}

// Whether a text was given and the server has none.
function isGivenTextGone({ phase }) {
  try {
    return phase === "none" && sessionStorage.getItem(GIVEN_KEY) !== null;
  } catch {
    return false;
  }
}
