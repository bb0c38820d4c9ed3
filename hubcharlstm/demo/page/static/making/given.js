// Whether this tab has given a text before, so that the view can say that it is gone, as it is with its server: until the
// visitor does something else with the view.

const GIVEN_KEY = "hubcharlstm.given.1";

// Returns whether a text was given and the server has none.
function isGivenTextGone({ phase }) {
  try {
    if (phase !== "none") sessionStorage.setItem(GIVEN_KEY, "1");
    return phase === "none" && sessionStorage.getItem(GIVEN_KEY) !== null;
  } catch {
    return false; // no sessionStorage: the view shows where to give a text, and no more
  }
}

function forgetGiven() {
  try {
    sessionStorage.removeItem(GIVEN_KEY);
  } catch {
    // no sessionStorage: nothing was noted
  }
}
