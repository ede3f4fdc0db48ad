import { describe, expect, it } from 'vitest';
import { tag } from '../../../lib';
import { isTag } from '../../../lib/keys/tag';

describe('A tag', () => {
  it.each([
    [tag('org'), 'cf:tag:org'],
    [tag('org', 7), 'cf:tag:org:7'],
    [tag('org', '7'), 'cf:tag:org:7'],
    [tag('org', 7n, 'a'), 'cf:tag:org:7:a'],
    [tag('org', '*'), 'cf:tag:org:*'],
    [tag('hash', Buffer.from([10, 255])), 'cf:tag:hash:0aff'],
    // Not as it prints, which depends on the time zone of the process.
    [tag('day', new Date('2026-01-02T00:00:00Z')), 'cf:tag:day:2026-01-02T00:00:00.000Z'],
    [tag('org', null), 'cf:tag:org:null'],
    [tag('org', undefined), 'cf:tag:org:undefined'],
    [tag('flags', { a: 1 }), 'cf:tag:flags:{"a":1}'],
  ])('%#: %s', (made, key) => {
    expect(made).toBe(key);
    expect(isTag(made)).toBe(true);
  });

  it('needs a name', () => {
    expect(() => tag('')).toThrow('A tag needs a name, e.g. tag("org", 7)');
    expect(() => tag(7 as unknown as string)).toThrow(TypeError);
  });

  it('is no other key', () => {
    for (const key of ['org:7', 'cf:{cf:tag:org}', 'cf::tag', 'tag:org']) expect(isTag(key)).toBe(false);
  });
});
