import { expect, it, onTestFinished, vi } from 'vitest';
import { ErrorReporter } from '../../../lib/errors/error-reporter';
import type { TransactionPiece } from '../../../lib/change/stream';
import { VisibilityBarrier } from '../../../lib/barrier/visibility-barrier';
import { VisibilityProbe } from '../../../lib/barrier/visibility-probe';
import { describeEachSql } from '../../support/each-sql';
import { waitFor } from '../../support/wait-for';

// What another server shows says nothing about the one that the stream comes from.

const batch = (): TransactionPiece[] => [
  {
    items: [{ kind: 'flush', table: undefined, position: { file: 'binlog.000001', offset: 4 } }],
    bytes: 0,
    end: undefined,
    gtid: undefined,
    mark: { gtid: undefined, file: 'binlog.000001', offset: 4, witness: undefined },
  },
];

describeEachSql('the barrier', {}, (stage) => {
  it('never passes on another server than the stream comes from, also when that changes', async () => {
    const name = stage.kind === 'mysql' ? '@@server_uuid' : "CONCAT('server-id-', @@server_id)";
    const [row] = await stage.sql.query<{ identity: string }>(`SELECT ${name} AS identity`);
    let identity: string | undefined;
    const onOtherServer = vi.fn();
    const barrier = new VisibilityBarrier(
      new VisibilityProbe({
        mysql: stage.sql.connectionOptions(),
        replica: undefined,
        reconnect: { minMillis: 5, maxMillis: 20 },
        errors: new ErrorReporter('default'),
        sourceIdentity: () => identity,
        onOtherServer,
      }),
    );
    onTestFinished(() => barrier.close());
    const never = new AbortController();
    await barrier.pass(batch(), never.signal);
    identity = row?.identity;
    await barrier.pass(batch(), never.signal);
    expect(onOtherServer).not.toHaveBeenCalled();

    identity = 'another';
    let passed = false;
    const pass = barrier.pass(batch(), never.signal).then(() => (passed = true));
    await waitFor(() => onOtherServer.mock.calls.length > 2, { message: 'the call' });
    expect(passed).toBe(false);
    expect(barrier.waitingSince).toBeGreaterThan(Date.now() - 10_000);
    const reason = new Error('the stream was replaced');
    never.abort(reason);
    await expect(pass).rejects.toBe(reason);
    expect(barrier.waitingSince).toBeUndefined();
  });
});
