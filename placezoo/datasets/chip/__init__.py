"""Chips to place macros on: netlists, their formats, and netlists drawn by Rent's rule."""
