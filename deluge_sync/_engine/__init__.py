"""Waits, retries and threads: takes jobs, sends each as often as it must be, and resolves its future.

    dispatcher > attempt > pool | limiter | retry > bucket | job

`client` is the only caller. Everything that decides is pure and takes the time as an argument (`bucket`, `retry`);
everything that waits is thin (`limiter`, `dispatcher`).
"""
