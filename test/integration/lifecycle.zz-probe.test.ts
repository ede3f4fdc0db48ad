import { expect, it, vi } from 'vitest';
import { startApp } from '../support/app';
import { describeEachSql } from '../support/each-sql';
describeEachSql('probe', { schema: 'CREATE DATABASE user; CREATE TABLE user.users (id INT PRIMARY KEY)' }, (stage) => {
  it('x', async () => {
    const { createRequire } = await import('node:module'); const C = createRequire(process.cwd() + '/x.js')(process.cwd() + '/node_modules/mysql2/lib/base/connection.js');
    const orig = C.prototype.handlePacket;
    C.prototype.handlePacket = function (packet: any) {
      if (packet && this.sequenceId !== packet.sequenceId && this._command) {
        console.log('MISMATCH', this._command.constructor.name, this._command.sql, this._closing, this.stream.destroyed, this.sequenceId, packet.sequenceId, this._command.next?.name, packet.buffer.subarray(packet.start,packet.end).toString('latin1').slice(0,80), this.threadId, this._handshakePacket?.connectionId);
      }
      return orig.call(this, packet);
    };
    for (let i=0;i<8;i++) {
    const app = await startApp(stage.options({ tables: [{ db: 'user', table: 'users' }] }));
    if (i%2) await app.cacheflow.caughtUp();
    await app.close();
    }
    expect(1).toBe(1);
  });
});
