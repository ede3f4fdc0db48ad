import type { ChangeEvent } from '../../change/change-event';

/** A change as it travels, with what the consumer needs beside the event. */
export interface ChangeMessage {
  /** The same each time the change is published, so that consumers can tell repetitions. */
  readonly id: string;
  /** The name of the source. */
  readonly source: string;
  /** The fencing token of the leader that published it. */
  readonly term: number;
  readonly primaryKey: readonly string[];
  readonly event: ChangeEvent;
}

/** The text of a message, and how to read it back. */
export interface Envelope {
  encode(message: ChangeMessage): string;
  /** @throws Error when it is no such message; its own message says nothing of the content */
  decode(text: string): ChangeMessage;
}

/** Names a change: by its transaction where it has a GTID, which all servers of a topology share, else by its place. */
export function changeId({ gtid, position }: ChangeEvent): string {
  return `${gtid ?? `${position.file}:${position.offset}`}#${position.row}`;
}
