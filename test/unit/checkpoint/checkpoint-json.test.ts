import { expect, it } from 'vitest';
import { checkpointFromJson } from '../../../lib/checkpoint/checkpoint-json';

it.each([
  { file: 'binlog.000001', offset: 4 },
  { file: 'binlog.000001', offset: 4, gtidSet: 'u:1-5' },
  { file: 'binlog.000001', offset: 4, gtidSet: '0-1-5', serverUuid: 'server-id-1' },
])('reads %j', (checkpoint) => {
  expect(checkpointFromJson(JSON.stringify(checkpoint))).toEqual(checkpoint);
});

it('reads nothing as none', () => {
  expect(checkpointFromJson(null)).toBeNull();
});

it('leaves out what a later version may have added', () => {
  expect(checkpointFromJson('{"file":"f.1","offset":4,"more":1}')).toEqual({ file: 'f.1', offset: 4 });
});

it.each([
  '',
  '{',
  'null',
  '5',
  '[]',
  '{"file":"f.1"}',
  '{"offset":4}',
  '{"file":"f.1","offset":"4"}',
  '{"file":5,"offset":4}',
])('takes %j for damaged', (text) => {
  expect(() => checkpointFromJson(text)).toThrow('damaged: delete it to start anew');
});
