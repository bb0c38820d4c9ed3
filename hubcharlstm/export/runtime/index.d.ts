/** A text as token ids. substituted: pairs of a character and its spelling. dropped: runs of unknown characters. */
export interface Encoding {
  ids: number[];
  text: string;
  substituted: [string, string][];
  dropped: string[];
}

/** (h, c) of every layer; h is 127 times the hidden state, rounded. A step never changes it. */
export interface State {
  readonly h: Int16Array;
  readonly c: Float32Array;
}

/** All that an exact continuation needs; it belongs to the model that returned it. */
export interface GenerationState {
  readonly state: State | null;
  readonly lastId: number;
  readonly held: number[];
}

/** What is left out is the model's own default. */
export interface SamplingOptions {
  /** Logits are divided by it; 0 is greedy. */
  temperature?: number;
  /** Keep the K likeliest; 0 keeps all. */
  topK?: number;
  /** Keep the likeliest P of probability; 1 keeps all. */
  topP?: number;
  /** Drop what is below P times the likeliest; 0 keeps all. */
  minP?: number;
}

export interface GenerationOptions extends SamplingOptions {
  /** From 1 to 100,000. */
  maxNewTokens?: number;
  /** The text ends before these. */
  stop?: string | string[];
  /** A whole number from 0 to 2**63 - 1, as text above 2**53; drawn if left out. */
  seed?: number | string | bigint;
  /** A completion's state, to go on exactly where it stopped. */
  state?: GenerationState;
}

export type FinishReason = "length" | "stop" | "cancelled";

export interface Completion {
  text: string;
  prompt: Encoding;
  /** null where a state's own random stream goes on. */
  seed: string | null;
  finishReason: FinishReason;
  /** Sampled characters, shown or not. */
  numTokens: number;
  warnings: string[];
  /** The text that greedy decoding repeats without end; null if it does not. */
  cycle: string | null;
  state: GenerationState;
}

/** One completion as it is generated: iterate for characters, then take `completion`. */
export interface TextStream extends AsyncIterable<string> {
  readonly prompt: Encoding;
  readonly seed: string | null;
  readonly warnings: string[];
  readonly text: string;
  /** null while characters are still to come. */
  readonly finishReason: FinishReason | null;
  /** Throws while characters are still to come. */
  readonly completion: Completion;
  /** The next character, computed now; "" at the end. */
  read(): string;
  /** Ends the stream before its next character. */
  cancel(): void;
}

export interface Vocabulary {
  readonly chars: string[];
  readonly lowercase: boolean;
  encode(text: string): Encoding;
  decode(ids: number[]): string;
  /** One line for a person about what was substituted or dropped; empty for nothing. */
  describe(encoding: Encoding): string;
}

export interface Model {
  readonly vocabulary: Vocabulary;
  /** config.json */
  readonly config: Readonly<Record<string, number>>;
  /** generation_config.json */
  readonly generationConfig: Readonly<Record<string, unknown>>;
  /** One id from a state, null for zeros; the given state stays as it is. */
  step(state: State | null, id: number): { logits: Float32Array; state: State };
  generate(prompt?: string, options?: GenerationOptions): TextStream;
  /** The likeliest characters after `prompt` and `text`. */
  alternatives(
    prompt: string,
    text: string,
    options?: SamplingOptions,
    count?: number,
  ): { char: string; probability: number }[];
}

/** Loads the model in `folder`, a URL that ends in a slash; by default the one of this package. */
export function load(folder?: URL | string): Promise<Model>;
