/** A server-sent event of the sample app. */
export interface StreamedEvent {
  id: string;
  data: Record<string, unknown>;
}

/** Reads server-sent events as a browser's EventSource does, as far as the tests need it. */
export class EventStream {
  private buffer = '';
  private readonly decoder = new TextDecoder();

  private constructor(private readonly reader: ReadableStreamDefaultReader<Uint8Array>) {}

  static async open(url: string, lastEventId?: string): Promise<EventStream> {
    const response = await fetch(url, {
      headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
    });
    if (!response.ok || !response.body) throw new Error(`${url} was answered with ${response.status}`);
    return new EventStream(response.body.getReader());
  }

  /** The next event that is wanted; those before it are passed over. */
  async next(wanted: (event: StreamedEvent) => boolean): Promise<StreamedEvent> {
    for (;;) {
      const event = this.takeEvent();
      if (event && wanted(event)) return event;
      if (event) continue;
      const { value, done } = await this.reader.read();
      if (done) throw new Error('The stream has ended');
      this.buffer += this.decoder.decode(value, { stream: true });
    }
  }

  async close(): Promise<void> {
    await this.reader.cancel();
  }

  private takeEvent(): StreamedEvent | undefined {
    for (;;) {
      const end = this.buffer.indexOf('\n\n');
      if (end < 0) return undefined;
      const lines = this.buffer.slice(0, end).split('\n');
      this.buffer = this.buffer.slice(end + 2);
      const field = (name: string) =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const [id, data] = [field('id'), field('data')];
      // Comments keep the connection alive and are no events.
      if (id !== undefined && data !== undefined)
        return { id, data: JSON.parse(data) as Record<string, unknown> };
    }
  }
}
