// The stop rule: which generated ids may be shown, and when a stop string is complete.

const endsWith = (ids, part) => part.length <= ids.length && part.every((id, n) => id === ids[ids.length - part.length + n]);

/** Holds back ids that may be the beginning of a stop string. stops: the ids of each, none of them empty. */
export class StopRule {
  constructor(stops) {
    this.stops = stops;
    this.held = [];
    this.stopped = false;
    this.longest = Math.max(0, ...stops.map((stop) => stop.length));
  }

  /** Takes one id -> the ids that certainly belong to no stop string. Sets `stopped` when one is complete. */
  push(id) {
    const ids = [...this.held, id];
    const complete = this.stops.find((stop) => endsWith(ids, stop));
    if (complete) {
      this.stopped = true;
      this.held = [];
      return ids.slice(0, ids.length - complete.length);
    }
    for (let length = Math.min(ids.length, this.longest); length > 0; length--) {
      const isPrefix = (stop) => stop.length > length && endsWith(ids, stop.slice(0, length));
      if (this.stops.some(isPrefix)) {
        this.held = ids.slice(-length);
        return ids.slice(0, -length);
      }
    }
    this.held = [];
    return ids;
  }
}
